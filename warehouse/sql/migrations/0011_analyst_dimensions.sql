-- What analysts group by: the platform's own account ids, tags and languages. The views are made from `warehouse/sql/views/`.
ALTER TABLE dims.accounts ADD COLUMN external_id VARCHAR;
COMMENT ON COLUMN dims.accounts.external_id IS 'The platform''s own id of the account, page or channel. NULL = not known: an imported account that was never connected.';
ALTER TABLE dims.publications ADD COLUMN tags VARCHAR[];
COMMENT ON COLUMN dims.publications.tags IS 'Tags beside the text, as written (YouTube''s video tags, the tags or labels of an imported file), in alphabetical order, each once. NULL = the platform has none or they are not known; hashtags of the text are in hashtags.';
ALTER TABLE dims.publications ADD COLUMN language VARCHAR;
COMMENT ON COLUMN dims.publications.language IS 'Language as a BCP 47 code: the option that was sent, else what the platform''s answer or the imported file names (the first of several). NULL = not known; it is never guessed from the text.';
DROP VIEW marts.posts_wide;

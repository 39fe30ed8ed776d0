-- How each publication's time was found: what an experiment compares, and what analysts may group by.
ALTER TABLE dims.publications ADD COLUMN placement VARCHAR;
ALTER TABLE dims.publications ADD COLUMN placement_share DOUBLE;
COMMENT ON COLUMN dims.publications.placement IS 'Who chose the time: manual = the author; recommended = the advice; random = an experiment''s draw among acceptable times; exploration = the week''s try of a little known time. NULL = published elsewhere, or before this was kept.';
COMMENT ON COLUMN dims.publications.placement_share IS 'Share of posts that the experiment under way placed at random when this one was placed; compare recommended with random only where it is the same. NULL = no experiment.';

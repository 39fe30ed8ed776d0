-- What a person said about promotion, apart from what the platform and files say, so that it can be taken back.
ALTER TABLE dims.publications ADD COLUMN marked_paid BOOLEAN;
COMMENT ON COLUMN dims.publications.marked_paid IS 'Whether a person said that it was promoted for money; counts before `paid`. NULL = nobody said.';
COMMENT ON COLUMN dims.publications.paid IS 'Whether it was promoted for money, as the platform or an imported file says. The timing model leaves such posts out, unless `marked_paid` says otherwise. NULL = not known.';

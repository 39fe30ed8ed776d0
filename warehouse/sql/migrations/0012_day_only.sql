-- Some exports have the day of a post and not its time of day: such a post says nothing about hours.
ALTER TABLE dims.publications ADD COLUMN day_only BOOLEAN;
COMMENT ON COLUMN dims.publications.day_only IS 'true = only the day of publishing is known: published_at is the start of that day in the file''s zone, and the post is in no statistics of hours. NULL or false = the time of day is known.';

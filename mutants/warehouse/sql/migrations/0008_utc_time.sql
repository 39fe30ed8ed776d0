-- An instant as the UTC clock shows it. `AT TIME ZONE 'UTC'` says the same by way of the calendar library, row by row:
-- 0.2 s for a million instants beside 0.04 s, and a load asks for the day of each row several times.
CREATE MACRO utc_time(instant) AS make_timestamp(epoch_us(instant));

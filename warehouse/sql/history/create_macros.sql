-- grain: none: macros that parse one text value, for parse_lines.sql
-- params: none
-- Values that mean "not reported" in common files.
CREATE TEMP MACRO cleaned(value) AS
  CASE WHEN lower(trim(value)) IN ('', 'nan', 'null', 'none', 'n/a') THEN NULL ELSE trim(value) END;

-- Counts are whole numbers; tools write 12 as 12.0 in a column with gaps.
CREATE TEMP MACRO to_count(value) AS
  CASE WHEN regexp_full_match(value, '\d{1,18}(\.0*)?') THEN CAST(split_part(value, '.', 1) AS BIGINT) END;

CREATE TEMP MACRO count_problem(name, value) AS
  CASE
    WHEN value IS NULL OR to_count(value) IS NOT NULL THEN NULL
    WHEN regexp_full_match(value, '-\s*\d+(\.\d*)?') THEN {'field': name, 'reason': value || ' is negative: a count starts at 0'}
    WHEN TRY_CAST(value AS DOUBLE) IS NOT NULL THEN {'field': name, 'reason': value || ' is not a whole number below 10^18'}
    ELSE {'field': name, 'reason': '''' || value[:40] || ''' is not a number: write digits only, leave empty what is unknown'}
  END;

CREATE TEMP MACRO has_zone(value) AS
  regexp_full_match(value, '.*[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s?(Z|z|UTC|GMT|[+-]\d{2}(:?\d{2})?)');

-- DuckDB also parses words such as 'epoch' and 'infinity' as times; only a date with a clock time is valid here.
CREATE TEMP MACRO is_instant(value) AS
  regexp_full_match(
    value,
    '\d{4}-\d{2}-\d{2}[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s?(Z|z|UTC|GMT|[+-]\d{2}(:?\d{2})?)?'
  );

-- DuckDB's form: always with seconds, the offset without a space and with a colon.
CREATE TEMP MACRO normalized(value) AS
  regexp_replace(
    regexp_replace(
      regexp_replace(regexp_replace(value, '\s?(z|Z|UTC|GMT)$', '+00:00'), '\s([+-]\d)', '\1'),
      '([T ]\d{1,2}:\d{2})([+-]|$)', '\1:00\2'
    ),
    '([+-]\d{2})(\d{2})$', '\1:\2'
  );

-- zone is an IANA name, or NULL for a fixed offset in minutes east of UTC.
CREATE TEMP MACRO to_instant(value, zone, offset_minutes) AS
  CASE
    WHEN NOT is_instant(value) THEN NULL
    WHEN has_zone(value) THEN TRY_CAST(normalized(value) AS TIMESTAMPTZ)
    WHEN zone IS NULL THEN (TRY_CAST(normalized(value) AS TIMESTAMP) - to_minutes(offset_minutes)) AT TIME ZONE 'UTC'
    ELSE timezone(zone, TRY_CAST(normalized(value) AS TIMESTAMP))
  END;

CREATE TEMP MACRO instant_problem(name, value, instant, earliest, latest) AS
  CASE
    WHEN instant IS NOT NULL AND instant < earliest THEN {'field': name, 'reason': value || ' is before 1990'}
    WHEN instant IS NOT NULL AND instant > latest THEN {'field': name, 'reason': value || ' is in the future'}
    WHEN instant IS NOT NULL THEN NULL
    WHEN regexp_full_match(value, '\d{4}-\d{2}-\d{2}')
      THEN {'field': name, 'reason': value || ' is a day without a time of day: write 2024-05-31 18:30'}
    ELSE {'field': name, 'reason': '''' || value[:40] || ''' is not a time such as 2024-05-31 18:30 or 2024-05-31T18:30:00+02:00'}
  END

-- grain: none: macros that read one text value of a history file
-- params: none
-- Values that mean "not reported" in common files; see EMPTY in numbers.py.
CREATE TEMP MACRO cleaned(value) AS
  CASE
    WHEN lower(trim(value, chr(9) || chr(10) || chr(13) || ' ' || chr(160) || chr(8239))) IN (
      '', '-', '--', '–', '—', '−', 'nan', 'null', 'none', 'n/a', 'na', 'n.a.', 'undefined', 'nat', '<na>'
    ) THEN NULL
    -- A spreadsheet's way to keep digits as text.
    WHEN regexp_full_match(trim(value), '="[^"=]*"') THEN nullif(trim(trim(value)[3:-2]), '')
    ELSE trim(value, chr(9) || chr(10) || chr(13) || ' ' || chr(160) || chr(8239))
  END;

-- An apostrophe before digits is how people keep a spreadsheet from changing an id.
CREATE TEMP MACRO cleaned_id(value) AS regexp_replace(cleaned(value), '^''(\d+)$', '\1');

CREATE TEMP MACRO cleaned_text(value) AS nullif(trim(value, chr(9) || chr(10) || chr(13) || ' '), '');

CREATE TEMP MACRO has_offset(value) AS regexp_matches(value, '(Z|z|UTC|GMT|[+-]\d{2}(:?\d{2})?)$') AND length(value) > 12;

-- The form that nearly all files have; any other one is read value by value in times.py.
CREATE TEMP MACRO is_plain_time(value) AS
  regexp_full_match(
    value,
    '\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?\s?(Z|z|UTC|GMT|[+-](0\d|1[0-3])(:?[0-5]\d)?|[+-]14(:?00)?)?'
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
CREATE TEMP MACRO in_zone(clock, zone, offset_minutes) AS
  CASE WHEN zone IS NULL THEN (clock - to_minutes(offset_minutes)) AT TIME ZONE 'UTC' ELSE timezone(zone, clock) END;

CREATE TEMP MACRO instant_problem(name, value, instant, latest) AS
  CASE
    WHEN instant < TIMESTAMPTZ '1990-01-01 00:00:00+00' THEN {'field': name, 'reason': value[:60] || ' is before 1990'}
    WHEN instant > latest THEN {'field': name, 'reason': value[:60] || ' is in the future'}
  END;

-- A day ends 14 hours later in UTC where it ends last.
CREATE TEMP MACRO published_problem(name, value, instant, day_only, latest) AS
  CASE
    WHEN value IS NULL THEN {'field': name, 'reason': 'is missing'}
    WHEN day_only THEN instant_problem(name, value, instant, latest + INTERVAL 14 HOUR)
    ELSE instant_problem(name, value, instant, latest)
  END;

CREATE TEMP MACRO measured_problem(name, value, instant, published, latest) AS
  CASE
    WHEN instant < published THEN {'field': name, 'reason': value[:60] || ' is before published_at'}
    ELSE instant_problem(name, value, instant, latest)
  END;

CREATE TEMP MACRO account_problem(name, value) AS
  CASE WHEN value IS NULL THEN {'field': name, 'reason': 'is missing: name the account'} END;

CREATE TEMP MACRO id_problem(name, value) AS
  CASE WHEN length(value) > 300 THEN {'field': name, 'reason': 'is longer than 300 characters'} END;

CREATE TEMP MACRO count_problem(name, value) AS
  CASE
    WHEN CAST(value AS BIGINT) > 10000000000000
      THEN {'field': name, 'reason': value || ' is more than 10^13: no post has so many'}
  END;

CREATE TEMP MACRO problem(name, reason) AS CASE WHEN reason IS NOT NULL THEN {'field': name, 'reason': reason} END;

CREATE TEMP MACRO kind_of(value) AS
  CASE
    WHEN value IS NULL THEN NULL
    WHEN regexp_matches(value, 'video|reel|live|short|animated_gif|vídeo|vidéo|film') THEN 'video'
    WHEN regexp_matches(value, 'photo|image|picture|album|carousel|carou|carrus|karussell|gif|bild|foto|imag|pin\b') THEN 'photo'
    -- An event is shown as a card with a link.
    WHEN regexp_matches(value, 'link|^share$|event|article|lien|enlace') THEN 'link'
    WHEN regexp_matches(value, 'text|status|note|tweet|post|update|thread') THEN 'text'
  END

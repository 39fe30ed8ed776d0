"""Read a file of past posts, whatever program wrote it: recognise, decide for whole columns, then parse.

Everything is read as text into a DuckDB of its own, which moves to disk what does not fit its limit of memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import duckdb
import pyarrow as pa

from connectors.printable import printable
from connectors.types import Platform
from warehouse.errors import InvalidInputError
from warehouse.lake.import_ import numbers, times
from warehouse.lake.import_.archives import shown
from warehouse.lake.import_.formats.base import ID_FROM_LINK
from warehouse.lake.import_.recognise import recognise
from warehouse.lake.import_.stage import stage
from warehouse.lake.import_.types import (
    COUNTS,
    MEASURES,
    ROW_SCHEMA,
    ColumnRead,
    Detection,
    FileRefusedError,
    Reading,
    ReadOptions,
    RejectedRow,
    RowBatch,
)
from warehouse.scratch import Scratch
from warehouse.sql import load_sql

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from warehouse.lake.import_.recognise import Match
    from warehouse.lake.import_.types import ZoneSource

_TEXT_FIELDS = ("text", "title")
_ID_FIELDS = ("external_id", "page")
_OTHER_FIELDS = ("account", "platform", "external_id", "page", "permalink", "what", "kind")
_TIMES = ("published_at", "measured_at")
_FIELDS = (*_OTHER_FIELDS, *_TEXT_FIELDS, *_TIMES, *COUNTS, *MEASURES)
_HELPERS = frozenset({"page", "title", "what", "platform"})
"""Fields that the reading needs and ImportedRow does not have."""

_MEMORY = "192MB"
_ACCOUNTS_SHOWN = 1_000
_REJECTED_SHOWN = 100_000
_ROWS_TOGETHER = 200
"""Rows of one account that a batch has on average at least, if it has rows of all."""

_NAMES_UTC = re.compile(r"\b(GMT|UTC)\b", re.IGNORECASE)

_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>\d{2}):?(?P<minutes>\d{2})")


def read_file(path: Path, *, options: ReadOptions | None = None) -> Reading:
    """Recognise the file by its content; return what it is and its valid rows in batches.

    The whole file is read once before this returns, into a temporary database: decisions about numbers and
    dates hold for a whole column, and every problem is known before the first row is loaded. Reading it again gives
    the same rows in the same order. Raises FileRefusedError; then there are no rows.
    """
    options = options or ReadOptions()
    scratch = Scratch()
    connection: DuckDBPyConnection | None = None
    try:
        match = recognise(path, scratch.path, options)
        connection = _connect(scratch.path)
        detection = _Reader(connection, match, path, options).read()
    except duckdb.OutOfMemoryException as error:
        _close(connection, scratch)
        raise FileRefusedError(
            f"{printable(path.name)}: its rows are too long to be read with {_MEMORY} of memory: split the file, or "
            "leave out long columns"
        ) from error
    except BaseException:
        _close(connection, scratch)
        raise
    return Reading(detection, _Batches(connection, scratch, options))


def parse_zone(timezone: str) -> tuple[str | None, int]:
    """Return (IANA name, 0) or (None, minutes east of UTC). Raises InvalidInputError."""
    if match := _OFFSET.fullmatch(timezone.strip()):
        minutes = int(match["hours"]) * 60 + int(match["minutes"])
        if minutes <= 14 * 60 and int(match["minutes"]) < 60:
            return None, -minutes if match["sign"] == "-" else minutes
    else:
        try:
            return ZoneInfo(timezone.strip()).key, 0
        except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder of zones
            pass
    raise InvalidInputError(
        f"{timezone!r} is not a time zone: use a name such as Europe/Berlin, or an offset such as -05:00",
        field="timezone",
    )


def _connect(folder: Path) -> DuckDBPyConnection:
    connection = duckdb.connect(
        ":memory:",
        config={
            "python_enable_replacements": "false",
            "memory_limit": _MEMORY,
            "temp_directory": str(folder / "spill"),
            "threads": "2",
            "preserve_insertion_order": "false",
        },
    )
    connection.execute("SET enable_progress_bar = false")  # in an interactive Python it writes to stdout
    connection.execute("SET TimeZone = 'UTC'")
    for statement in duckdb.extract_statements(load_sql("history/create_macros")):
        connection.execute(statement)
    return connection


def _close(connection: DuckDBPyConnection | None, scratch: Scratch) -> None:
    if connection is not None:
        connection.close()
    scratch.remove()


class _Batches:
    """The rows of a reading. Whether it is iterated to its end, closed or forgotten: the temporary files go."""

    def __init__(self, connection: DuckDBPyConnection, scratch: Scratch, options: ReadOptions) -> None:
        self._connection: DuckDBPyConnection | None = connection
        self._scratch = scratch
        self._options = options
        self._next: int | None = None  # place of the next row; None = the order is not made yet

    def __iter__(self) -> Iterator[RowBatch]:
        return self

    def __next__(self) -> RowBatch:
        if self._connection is None:
            raise StopIteration
        if self._next is None:
            few = self._options.oldest_first and self._are_accounts_few()
            self._connection.execute(load_sql("history/order_rows"), {"few_accounts": few})
            self._next = 1
        last = self._next + self._options.batch_rows - 1
        query = self._connection.execute(load_sql("history/select_rows"), {"first": self._next, "last": last})
        rows = query.to_arrow_table()
        self._next = last + 1
        if not rows.num_rows:
            self.close()
            raise StopIteration
        return RowBatch(rows.cast(ROW_SCHEMA))

    def _are_accounts_few(self) -> bool:
        """Return whether each batch would have many rows of all accounts: each costs statements of its own."""
        if self._connection is None:
            return False
        counted = self._connection.execute(
            "SELECT count(*), count(DISTINCT account) FROM identified"
        ).fetchone()
        rows, accounts = counted or (0, 0)
        batches = rows // self._options.batch_rows + 1
        return bool(accounts * batches * _ROWS_TOGETHER <= rows)

    def close(self) -> None:
        """Remove the temporary files; there are no more rows then."""
        connection, self._connection = self._connection, None
        if connection is not None:
            _close(connection, self._scratch)

    def __del__(self) -> None:
        self.close()


@dataclass(slots=True)
class _Zone:
    name: str | None
    offset_minutes: int
    shown: str
    source: ZoneSource


class _Reader:
    """One reading: from staged text to rows with problems."""

    def __init__(
        self, connection: DuckDBPyConnection, match: Match, path: Path, options: ReadOptions
    ) -> None:
        self._connection = connection
        self._match = match
        self._format = match.format
        self._path = path
        self._options = options
        self._decisions = [decision for table in match.tables[:1] for decision in table.decisions]
        self._notes = [*match.notes, *self._format.notes]
        self._number_styles: dict[str, list[str]] = {}
        self._zone = self._choose_zone()

    def read(self) -> Detection:
        """Fill the tables `parsed` and `identified`; return what the file is."""
        options = self._options
        stage(self._connection, self._match, options)
        left_out = self._select_texts()
        platform = self._choose_platform()
        self._check_ids()
        joins, chosen, problems = self._parse_counts()
        self._decisions += [
            f"{', '.join(columns)}: {style}" for style, columns in self._number_styles.items()
        ]
        time_joins, time_columns, time_problems = self._parse_times()
        self._parse(joins + time_joins, chosen | time_columns, [*problems, *time_problems])
        self._connection.execute(load_sql("history/identify_rows"))
        self._note_others(left_out)
        detection = self._detect(platform)
        self._drop_all_but_rows()
        return detection

    def _choose_zone(self) -> _Zone:
        options = self._options
        place = self._match.places.get("published_at")
        named = place is not None and _NAMES_UTC.search(self._match.header[place])
        chosen: tuple[tuple[str | None, ZoneSource], ...] = (
            (self._format.zone or ("UTC" if named else None), "file"),
            (options.timezone, "option"),
            (options.account_timezone, "account"),
            ("UTC", "default"),
        )
        for text, source in chosen:
            if text is not None:
                name, minutes = parse_zone(text)
                return _Zone(name, minutes, text.strip(), source)
        raise AssertionError("UTC is always there")

    # From columns to the texts of fields.

    def _select_texts(self) -> list[str]:
        """Fill `texts`: the text of each field and the raw payload. Return what was left out, in words."""
        places = self._match.places
        named = ["line"]
        for name in _FIELDS:
            if name not in places:
                named.append(f"NULL::VARCHAR AS {name}")
            elif name in _ID_FIELDS:
                named.append(f"cleaned_id(c{places[name]}) AS {name}")
            elif name in _TEXT_FIELDS:
                named.append(f"cleaned_text(c{places[name]}) AS {name}")
            else:
                named.append(f"cleaned(c{places[name]}) AS {name}")
        named.append(f"{self._raw()} AS raw")
        columns = ["line"]
        for name in _FIELDS:
            expression = self._format.expressions.get(name, "{" + name + "}")
            columns.append(f"{expression.format(**{field: field for field in _FIELDS})} AS {name}")
        conditions = {
            words: condition.format(**{field: field for field in _FIELDS})
            for words, condition in self._format.left_out.items()
        }
        source = f"WITH named AS (SELECT {', '.join(named)} FROM lines)"
        kept = (
            " AND ".join(f"NOT coalesce({condition}, false)" for condition in conditions.values()) or "true"
        )
        self._connection.execute(
            f"CREATE TABLE texts AS {source} SELECT {', '.join(columns)}, raw FROM named WHERE {kept}"
        )
        if not conditions:
            return []
        counts = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in conditions.values())
        row = self._connection.execute(f"{source} SELECT {counts} FROM named").fetchone() or ()
        return [f"{count:,} {words}" for words, count in zip(conditions, row, strict=True) if count]

    def _unknown(self) -> list[int]:
        """Return the columns that no field holds."""
        used = set(self._match.places.values()) | set(self._match.ignored)
        header = self._match.header
        return [place for place in range(len(header)) if place not in used and not self._is_row_number(place)]

    def _is_row_number(self, place: int) -> bool:
        """Return whether a column is the unnamed one of row numbers that pandas and R write."""
        if place != 0 or self._match.header[0] not in {"column 1", "Unnamed: 0"}:
            return False
        return not self._count(r"SELECT count(*) FROM lines WHERE NOT regexp_full_match(c0, '\d*(\.0)?')")

    def _raw(self) -> str:
        parts = []
        for place in self._unknown():
            name = self._match.header[place].replace("'", "''")
            parts.append(f"'{name}', nullif(c{place}, '')")
        if not parts:
            return "NULL::VARCHAR"
        # Empty cells say nothing; a payload of nothing is none.
        return f"nullif(json_merge_patch('{{}}', json_object({', '.join(parts)}))::VARCHAR, '{{}}')"

    # Whose posts these are.

    def _choose_platform(self) -> Platform | None:
        known, wanted = self._format.platform, self._options.platform
        if known is not None:
            if wanted is not None and wanted != known:
                raise FileRefusedError(
                    f"{shown(self._path)} is of {known}, not of {wanted} ({self._format.title}): give --platform "
                    f"{known}",
                    field="platform",
                )
            return known
        if "platform" not in self._match.places:
            return wanted
        found: dict[Platform, list[str]] = {}
        others = []
        for (value,) in self._connection.execute("SELECT DISTINCT platform FROM texts LIMIT 1000").fetchall():
            platform = _platform_of(value) if value is not None else None
            if platform is None:
                others.append(value)
            else:
                found.setdefault(platform, []).append(value)
        if wanted is None and len(found) > 1:
            raise FileRefusedError(
                f"{shown(self._path)} has posts of {' and '.join(sorted(found))}: choose one with --platform, and "
                "import the file once for each",
                field="platform",
            )
        chosen = wanted or next(iter(found), None)
        names = found.get(chosen, []) if chosen is not None else []
        if not names and found:
            raise FileRefusedError(
                f"{shown(self._path)} has no posts of {wanted}, but of {' and '.join(sorted(found))}",
                field="platform",
            )
        if names:
            marks = ", ".join("?" for _ in names)
            kept = f"platform IN ({marks})"
            dropped = self._count(f"SELECT count(*) FROM texts WHERE NOT coalesce({kept}, false)", names)
            if dropped:
                self._connection.execute(f"DELETE FROM texts WHERE NOT coalesce({kept}, false)", names)
                self._notes.append(f"left out: {dropped:,} rows of other platforms")
        return chosen

    # Damaged ids.

    def _check_ids(self) -> None:
        column = self._column("external_id")
        place = self._match.places.get("external_id")
        problem = self._damage("external_id") if place is not None else None
        if problem is None and place is not None:
            table = self._match.tables[0]
            if self._match.header[place] in table.float_columns:
                problem = "its numbers are floating-point, which cannot hold a platform's id"
            else:
                problem = self._contradiction()
        if problem is not None:
            if self._take_ids_from_links():
                self._decisions.append(
                    f"ids are read from the links, because those of the column {column} were damaged by a spreadsheet"
                )
            else:
                raise FileRefusedError(
                    f"the ids in the column {column} were damaged by a spreadsheet ({problem}): export the file again "
                    "and import it without opening it in between, or leave the column out with --map "
                    f"'{column}=-' together with the other columns",
                    field="external_id",
                )
        if "page" in self._match.places and (problem := self._damage("page")) is not None:
            raise FileRefusedError(
                f"the ids in the column {self._column('page')} were damaged by a spreadsheet ({problem}): export the "
                "file again and import it without opening it in between",
                field="account",
            )

    def _damage(self, name: str) -> str | None:
        """Return what shows that ids went through a spreadsheet."""
        row = self._connection.execute(
            f"SELECT any_value({name}) FROM texts WHERE regexp_full_match({name}, "
            r"'\d+[.,]\d+[eE][+-]?\d{1,3}|\d+[eE]\+\d{1,3}|\d+[.,]0+|=.*|#(REF|NAME|VALUE|N/A|NUM|DIV/0).*')"
        ).fetchone()
        if row is not None and row[0] is not None:
            return str(printable(row[0])[:40])
        row = self._connection.execute(
            rf"SELECT count(*), count(*) FILTER (WHERE regexp_full_match({name}, '\d{{15}}0+')), any_value({name}) "
            rf"FROM (SELECT DISTINCT {name} FROM texts WHERE regexp_full_match({name}, '\d{{17,20}}'))"
        ).fetchone()
        if row is not None and row[0] and row[0] == row[1] and (row[0] > 1 or len(row[2]) > 17):
            return f"{row[2]}: all digits after the fifteenth are 0"
        return None

    def _contradiction(self) -> str | None:
        """Return an id that its own row's link contradicts."""
        if "permalink" not in self._match.places:
            return None
        link = ID_FROM_LINK.format(external_id="NULL", permalink="permalink")
        row = self._connection.execute(
            f"SELECT external_id, {link} AS linked FROM texts WHERE regexp_full_match(external_id, '\\d{{16,20}}') "
            f"AND regexp_full_match(linked, '\\d{{16,20}}') AND external_id <> linked "
            "AND external_id[:10] = linked[:10] LIMIT 1"
        ).fetchone()
        return None if row is None else f"{row[0]} with a link to {row[1]}"

    def _take_ids_from_links(self) -> bool:
        if "permalink" not in self._match.places:
            return False
        link = ID_FROM_LINK.format(external_id="NULL", permalink="permalink")
        if self._count(f"SELECT count(*) FROM texts WHERE {link} IS NULL"):
            return False
        self._connection.execute(f"UPDATE texts SET external_id = {link}")
        return True

    # Numbers.

    def _parse_counts(self) -> tuple[list[str], dict[str, str], list[str]]:
        """Return joins, the expression of each number, and the expressions of problems."""
        joins: list[str] = []
        chosen: dict[str, str] = {}
        problems: list[str] = []
        present = [name for name in (*COUNTS, *MEASURES) if self._has(name)]
        odd = self._odd_numbers(present)
        for name in (*COUNTS, *MEASURES):
            kind = "BIGINT" if name in COUNTS else "DOUBLE"
            factor = self._format.scale.get(name, 1.0) / (100 if self._is_percent(name) else 1)
            if name not in present:
                chosen[name] = f"NULL::{kind}"
                continue
            if name not in odd:
                scaled = f" * {factor}" if factor != 1 else ""
                chosen[name] = f"CAST(texts.{name} AS {kind}){scaled}"
                if name in COUNTS:
                    problems.append(f"count_problem({_quote(self._column(name))}, texts.{name})")
                continue
            self._decide_numbers(name, [other for other in present if other != name], factor)
            joins.append(f"LEFT JOIN number_{name} ON number_{name}.value = texts.{name}")
            chosen[name] = f"number_{name}.number"
            problems.append(f"problem({_quote(self._column(name))}, number_{name}.reason)")
        return joins, chosen, problems

    def _is_percent(self, name: str) -> bool:
        column = self._column(name)
        return name in self._format.percent or (name == "engagement_rate" and "%" in column)

    def _odd_numbers(self, names: list[str]) -> set[str]:
        """Return the fields with values that are not plain digits."""
        if not names:
            return set()
        tests = ", ".join(
            rf"count(*) FILTER (WHERE NOT regexp_full_match({name}, '\d{{1,15}}'))" for name in names
        )
        row = self._connection.execute(f"SELECT {tests} FROM texts").fetchone() or ()
        return {name for name, count in zip(names, row, strict=True) if count}

    def _decide_numbers(self, name: str, others: list[str], factor: float) -> None:
        values = self._distinct(name)
        style = numbers.decide(
            values,
            column=self._column(name),
            whole=name in COUNTS,
            option=self._options.decimal_mark,
            declared=self._format.decimal_mark,
            beside=(value for other in others for value in self._distinct(other)),
        )
        described = style.describe()
        if described:
            self._number_styles.setdefault(described, []).append(
                f"{self._column(name)} ({printable(style.example)[:30]})"
            )
        found: list[float | int | None] = []
        reasons: list[str | None] = []
        whole = name in COUNTS
        for value in values:
            number = numbers.parse(value, style)
            problem = numbers.count_problem(value, style) if whole else None
            if not whole and (number is None or not abs(number) < numbers.LARGEST_COUNT):
                problem = f"'{value[:40]}' is not a number"
            reasons.append(problem)
            if problem is not None or number is None:
                found.append(None)
            elif whole:
                found.append(int(number))
            else:
                # A percent sign says the same as a header with one, once.
                found.append(
                    float(number) * (factor * 100 if style.percent and self._is_percent(name) else factor)
                )
        table = pa.table(
            {
                "value": pa.array(values, pa.string()),
                "number": pa.array(found, pa.int64() if whole else pa.float64()),
                "reason": pa.array(reasons, pa.string()),
            }
        )
        self._keep(f"number_{name}", table)

    # Times.

    def _parse_times(self) -> tuple[list[str], dict[str, str], list[str]]:
        joins: list[str] = []
        chosen: dict[str, str] = {}
        problems: list[str] = []
        self._aware = self._naive = 0
        for name in _TIMES:
            if not self._has(name):
                chosen[name] = "NULL::TIMESTAMPTZ"
                chosen[f"{name}_day"] = "false"
                continue
            if self._all_plain(name):
                text = f"texts.{name}"
                chosen[name] = (
                    f"CASE WHEN has_offset({text}) THEN TRY_CAST(normalized({text}) AS TIMESTAMPTZ) ELSE "
                    f"in_zone(TRY_CAST(normalized({text}) AS TIMESTAMP), $zone::VARCHAR, $offset_minutes::BIGINT) END"
                )
                chosen[f"{name}_day"] = "false"
                aware = self._count(f"SELECT count(*) FROM texts WHERE has_offset({name})")
                self._tally(name, aware, self._count(f"SELECT count({name}) FROM texts") - aware)
                words = f"''' is not a time {times.EXAMPLES}'"
                reason = f"CASE WHEN {chosen[name]} IS NULL THEN '''' || {text}[:40] || {words} END"
            else:
                self._decide_times(name)
                joins.append(f"LEFT JOIN time_{name} ON time_{name}.value = texts.{name}")
                clock = f"make_timestamp(time_{name}.micros)"
                chosen[name] = (
                    f"CASE WHEN time_{name}.aware THEN {clock} AT TIME ZONE 'UTC' ELSE "
                    f"in_zone({clock}, $zone::VARCHAR, $offset_minutes::BIGINT) END"
                )
                chosen[f"{name}_day"] = f"coalesce(time_{name}.day_only, false)"
                reason = f"time_{name}.reason"
            problems.append(
                f"CASE WHEN texts.{name} IS NOT NULL THEN problem({_quote(self._column(name))}, {reason}) END"
            )
        return joins, chosen, problems

    def _tally(self, name: str, aware: int, naive: int) -> None:
        if name == "published_at":
            self._aware, self._naive = aware, naive

    def _all_plain(self, name: str) -> bool:
        return not self._count(f"SELECT count(*) FROM texts WHERE NOT is_plain_time({name})")

    def _decide_times(self, name: str) -> None:
        values = self._distinct(name)
        style = times.decide(
            values,
            column=self._column(name),
            option=self._options.date_order,
            declared=self._format.date_order,
            year=self._options.year,
            excel_1904=self._match.tables[0].excel_1904,
        )
        if style.decisions:
            self._decisions.append(
                f"{self._column(name)}: {'; '.join(printable(part) for part in style.decisions)}"
            )
        micros: list[int | None] = []
        aware: list[bool] = []
        days: list[bool] = []
        reasons: list[str | None] = []
        for value in values:
            moment = times.parse(value, style)
            if isinstance(moment, times.TimeProblem):
                micros.append(None)
                aware.append(False)
                days.append(False)
                reasons.append(moment.reason)
                continue
            micros.append(times.to_micros(moment.clock))
            aware.append(moment.aware)
            days.append(moment.day_only)
            problem = moment.day_only and name == "published_at" and not self._format.days
            reasons.append(
                f"{value[:40]} is a day without a time of day: write 2024-05-31 18:30" if problem else None
            )
        table = pa.table(
            {
                "value": pa.array(values, pa.string()),
                "micros": pa.array(micros, pa.int64()),
                "aware": pa.array(aware, pa.bool_()),
                "day_only": pa.array(days, pa.bool_()),
                "reason": pa.array(reasons, pa.string()),
            }
        )
        self._keep(f"time_{name}", table)
        self._tally(name, sum(aware), len(values) - sum(aware) - sum(moment is None for moment in micros))

    # Rows.

    def _parse(self, joins: list[str], chosen: Mapping[str, str], problems: list[str]) -> None:
        """Fill `parsed`: every row of the file with its values and problems."""
        options = self._options
        published, published_day = chosen["published_at"], chosen["published_at_day"]
        if self._format.id_time is not None:
            # The id's time gives the time of day where it agrees with the file's day (in any zone).
            by_id = f"TRY({self._format.id_time})"
            agrees = f"({published_day}) AND abs(epoch({by_id}) - epoch({published}) - 43200) < 43200 + 50400"
            published, published_day = (
                f"CASE WHEN {agrees} THEN {by_id} ELSE {published} END",
                f"({published_day}) AND NOT coalesce({agrees}, false)",
            )
        numbers_sql = ", ".join(f"{chosen[name]} AS {name}" for name in (*COUNTS, *MEASURES))
        quoted = {
            name: _quote(self._column(name))
            for name in ("account", "external_id", "published_at", "measured_at")
        }
        checks = [
            f"published_problem({quoted['published_at']}, published_text, published_at, day_only, $now::TIMESTAMPTZ)",
            f"measured_problem({quoted['measured_at']}, measured_text, measured_at, published_at, $now::TIMESTAMPTZ)",
            f"id_problem({quoted['external_id']}, external_id)",
        ]
        if (
            options.account is None
            and "account" in self._match.places
            and self._format.name in {"own", "mapped"}
        ):
            checks.append(f"account_problem({quoted['account']}, account)")
        listed = ", ".join(checks)
        statement = f"""
            CREATE TABLE parsed AS
            WITH typed AS (
              SELECT
                texts.line,
                coalesce($account::VARCHAR, ltrim(texts.account, '@')) AS account,
                texts.external_id,
                texts.permalink,
                texts.text,
                kind_of(lower(texts.kind)) AS kind,
                CASE WHEN texts.kind IS NOT NULL AND kind_of(lower(texts.kind)) IS NULL THEN lower(texts.kind) END
                  AS unknown_kind,
                texts.published_at AS published_text,
                texts.measured_at AS measured_text,
                {published} AS published_at,
                {published_day} AS day_only,
                {chosen["measured_at"]} AS measured_at,
                {numbers_sql},
                texts.raw,
                [{", ".join(problems) or "NULL"}] AS found
              FROM texts {" ".join(joins)}
            )
            SELECT
              * EXCLUDE (found, published_text, measured_text),
              list_filter(list_concat(found, [{listed}]), lambda problem: problem IS NOT NULL) AS problems
            FROM typed
        """
        params: dict[str, Any] = {"account": options.account, "now": options.now}
        if "$zone" in published or "$zone" in chosen["measured_at"]:
            params |= {"zone": self._zone.name, "offset_minutes": self._zone.offset_minutes}
        self._connection.execute(statement, params)

    # What is told.

    def _note_others(self, left_out: list[str]) -> None:
        if left_out:
            self._notes.append(f"left out: {', '.join(left_out)}")
        if self._options.account is not None and "account" in self._match.places:
            others = self._count(
                "SELECT count(DISTINCT account) FROM texts WHERE ltrim(account, '@') <> ?",
                [self._options.account],
            )
            if others:
                self._notes.append(
                    f"all rows are imported into one account, but the column account names {others} others: "
                    "omit --account to keep them separate"
                )
        kinds = self._connection.execute(
            "SELECT DISTINCT unknown_kind FROM parsed WHERE unknown_kind IS NOT NULL ORDER BY 1 LIMIT 20"
        ).fetchall()
        if kinds:
            self._notes.append(f"kinds read as text: {', '.join(printable(kind) for (kind,) in kinds)}")
        days = self._count("SELECT count(*) FROM identified WHERE day_only")
        if days:
            self._notes.append(
                f"{days:,} rows have a day and no time of day: they count for the day, and say nothing about hours"
            )

    def _detect(self, platform: Platform | None) -> Detection:
        row = self._connection.execute(
            "SELECT count(DISTINCT (account, external_id)), min(published_at), max(published_at), "
            "count(*) FILTER (WHERE line <> first_line AND agrees) FROM identified"
        ).fetchone() or (0, None, None, 0)
        accounts = self._connection.execute(
            f"SELECT DISTINCT account FROM identified WHERE account IS NOT NULL ORDER BY 1 LIMIT {_ACCOUNTS_SHOWN}"
        ).fetchall()
        rejected = self._connection.execute(
            load_sql("history/select_rejected_rows"), {"id_column": self._column("external_id")}
        ).fetchmany(_REJECTED_SHOWN)
        total = self._count("SELECT (SELECT count(*) FROM parsed) + (SELECT count(*) FROM unreadable)")
        header = self._match.header
        unknown = self._unknown()
        if unknown:
            names = ", ".join(printable(header[place])[:60] for place in unknown[:40])
            self._notes.append(f"columns kept as they are: {names}{' and more' if len(unknown) > 40 else ''}")
        zone, source = self._told_zone()
        return Detection(
            format=self._format.name,
            title=self._format.title,
            platform=platform,
            accounts=tuple(account for (account,) in accounts),
            rows=total,
            posts=row[0],
            rejected=tuple(
                RejectedRow(line, printable(field), printable(reason)) for line, field, reason in rejected
            ),
            first=row[1],
            last=row[2],
            zone=zone,
            zone_source=source,
            columns=tuple(
                ColumnRead(printable(header[place]), name)
                for name, place in sorted(self._match.places.items(), key=lambda item: item[1])
                if name not in _HELPERS
            ),
            unknown_columns=tuple(printable(header[place]) for place in unknown),
            decisions=tuple(self._decisions),
            notes=tuple(self._notes),
            mapping=self._match.mapping,
            header=tuple(header),
            repeated=row[3],
        )

    def _told_zone(self) -> tuple[str, ZoneSource]:
        if self._aware and not self._naive:
            return "UTC", "file"
        zone, source = self._zone.shown, self._zone.source
        if source == "file" and self._options.timezone is not None:
            self._notes.append(f"--timezone is not needed: {self._format.title} has its times in {zone}")
        if self._naive and source == "default":
            hint = f" ({self._format.zone_hint})" if self._format.zone_hint else ""
            self._notes.append(
                f"times without offset are read in UTC, as nothing says their zone{hint}: see --timezone"
            )
        if self._aware and self._naive:
            self._notes.append("some times have an offset of their own, which goes before the zone")
        return zone, source

    # Small helpers.

    def _drop_all_but_rows(self) -> None:
        """Free the memory of what the rows were made from: loading them takes minutes and needs it."""
        tables = self._connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE table_name NOT IN ('identified', 'parsed')"
        ).fetchall()
        for (name,) in tables:
            self._connection.execute(f"DROP TABLE {name}")

    def _column(self, name: str) -> str:
        place = self._match.places.get(name)
        if place is None:
            return name
        column = printable(self._match.header[place])
        return column.lower() if self._format.name == "own" else column

    def _has(self, name: str) -> bool:
        return bool(
            self._count(
                f"SELECT count({name}) FROM (SELECT {name} FROM texts WHERE {name} IS NOT NULL LIMIT 1)"
            )
        )

    def _distinct(self, name: str) -> list[str]:
        cursor = self._connection.execute(
            f"SELECT DISTINCT {name} FROM texts WHERE {name} IS NOT NULL ORDER BY 1"
        )
        return list(cursor.to_arrow_table()[name].to_pylist())

    def _keep(self, name: str, table: pa.Table) -> None:
        self._connection.register("kept", table)
        self._connection.execute(f"CREATE TABLE {name} AS FROM kept")
        self._connection.unregister("kept")

    def _count(self, sql: str, params: list[Any] | None = None) -> int:
        row = self._connection.execute(sql, params or []).fetchone()
        return int(row[0]) if row else 0


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _platform_of(name: str) -> Platform | None:
    """Return the platform that a tool's word for it means."""
    lowered = name.strip().lower()
    if lowered == "x" or lowered.startswith("x ") or "twitter" in lowered:
        return Platform.TWITTER
    return next((platform for platform in Platform if platform.value in lowered), None)

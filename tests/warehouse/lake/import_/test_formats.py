"""Every format in its real shape gives the expected rows; every wrong file one sentence."""

from __future__ import annotations

import importlib.util
import os
import random
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from connectors.printable import printable
from connectors.types import Platform
from warehouse.errors import InvalidInputError
from warehouse.lake.import_.mappings import forget, load_mappings, remember
from warehouse.lake.import_.read import read_file
from warehouse.lake.import_.types import FileRefusedError, ReadOptions

if TYPE_CHECKING:
    from warehouse.lake.import_.types import Detection, ImportedRow

NOW = datetime(2026, 11, 30, tzinfo=UTC)
TURNS = int(os.environ.get("FUZZ_TURNS", "3"))
"""Changed copies of each file; `make fuzz-imports` takes more."""


def _load_corpus() -> Any:
    spec = importlib.util.spec_from_file_location("import_corpus", Path(__file__).with_name("corpus.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


corpus = _load_corpus()


def read(
    folder: Path, name: str, data: bytes, options: dict[str, Any]
) -> tuple[Detection, list[ImportedRow]]:
    path = folder / name
    path.write_bytes(data)
    chosen = dict(options)
    if "platform" in chosen:
        chosen["platform"] = Platform.parse(chosen["platform"])
    detection, batches = read_file(path, options=ReadOptions(now=NOW, **chosen))
    return detection, [row for batch in batches for row in batch.to_rows()]


def value_of(row: ImportedRow, name: str) -> Any:
    if name.startswith("raw."):
        return (row.raw or {}).get(name.removeprefix("raw."))
    value = getattr(row, name)
    return value.isoformat() if isinstance(value, datetime) else value


@pytest.mark.parametrize("case", corpus.CASES, ids=lambda case: case.name)
def test_a_format_gives_its_rows(tmp_path: Path, case: Any) -> None:
    detection, rows = read(tmp_path, case.name, case.data, case.options)
    assert detection.sentence == case.sentence
    assert detection.rejected == ()
    for row, expected in zip(rows, case.expected, strict=True):
        assert {name: value_of(row, name) for name in expected} == expected
    assert set(case.decisions) <= set(detection.decisions)
    assert set(case.notes) <= set(detection.notes)
    assert detection.to_dict()["posts"] == len(rows)


@pytest.mark.parametrize(
    "case",
    corpus.REFUSALS,
    ids=[f"{case[0].encode('unicode_escape').decode()}-{case[3]}" for case in corpus.REFUSALS],
)
def test_a_wrong_file_gets_one_sentence(
    tmp_path: Path, case: tuple[str, bytes, dict[str, Any], str, str]
) -> None:
    name, data, options, field, words = case
    with pytest.raises(InvalidInputError) as raised:
        read(tmp_path, name, data, options)
    assert words in raised.value.message
    assert printable(raised.value.message) == raised.value.message
    assert len(raised.value.message) < 800
    assert raised.value.field == field


def test_protected_files_are_named(tmp_path: Path) -> None:
    locked = bytearray(corpus.zip_of(posts_DOT_csv="published_at,likes,comments,shares\n"))
    for start in (locked.find(b"PK\x03\x04") + 6, locked.find(b"PK\x01\x02") + 8):
        locked[start] |= 1  # the flag of an encrypted member
    with pytest.raises(FileRefusedError, match="archive with a password: unpack it"):
        read(tmp_path, "locked.zip", bytes(locked), {})
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000)
    with pytest.raises(FileRefusedError, match="save it as XLSX"):
        read(tmp_path, "broken.xls", ole, {})
    with pytest.raises(FileRefusedError, match="protected with a password: open it, remove"):
        read(tmp_path, "locked.xlsx", ole + "EncryptedPackage".encode("utf-16-le") + bytes(600), {})


def test_a_name_that_climbs_out_of_an_archive_reaches_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "climb.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("../../climbed.csv", "published_at,likes,comments,shares\n2024-05-31 10:00,1,1,1\n")
    detection, batches = read_file(path, options=ReadOptions(now=NOW))
    assert detection.posts == 1
    assert sum(len(batch.rows) for batch in batches) == 1
    assert [found.name for found in tmp_path.rglob("*climb*")] == ["climb.zip"]


def test_ids_are_taken_from_links_where_a_spreadsheet_damaged_them(tmp_path: Path) -> None:
    for damaged in ("1.79001E+18,", "1790012345678900000,", "1790012345678901248,"):
        data = corpus._X_NEW.replace("1790012345678901234,", damaged, 1).encode()
        detection, (row,) = read(tmp_path, "x.csv", data, {})
        assert row.external_id == "1790012345678901234"
        assert "read from the links" in detection.decisions[0]


def test_options_decide_what_the_file_leaves_open(tmp_path: Path) -> None:
    data = b"published_at,likes,comments,shares\n03/04/2024 10:00,1.000,1,1\n"
    options = {"date_order": "dmy", "decimal_mark": ","}
    _, (row,) = read(tmp_path, "open.csv", data, options)
    assert (row.published_at.isoformat(), row.likes) == ("2024-04-03T10:00:00+00:00", 1000)
    _, (row,) = read(tmp_path, "open.csv", data, {"date_order": "mdy", "decimal_mark": "."})
    assert (row.published_at.isoformat(), row.likes) == ("2024-03-04T10:00:00+00:00", 1)


def test_a_remembered_mapping_reads_the_next_file_of_the_same_header(tmp_path: Path) -> None:
    columns = {"Wann": "published_at", "Likes": "likes", "Notiz": "-"}
    remember(tmp_path, "meine", columns, ["Wann", "Likes", "Notiz"])
    remember(tmp_path, "meine", columns, ["Notiz", "likes ", "Wann"])
    (kept,) = load_mappings(tmp_path)
    data = b"Likes,Wann,Notiz\n4,2024-05-31 10:00,secret\n"
    detection, (row,) = read(tmp_path, "next.csv", data, {"remembered": [kept]})
    assert (row.likes, row.raw) == (4, None)
    assert any("'meine'" in note for note in detection.notes)
    with pytest.raises(FileRefusedError):
        read(tmp_path, "other.csv", b"Likes,Wann,Other\n4,2024-05-31 10:00,x\n", {"remembered": [kept]})
    forget(tmp_path, "meine")
    assert load_mappings(tmp_path) == []


def test_truncated_and_lying_files_never_raise_anything_else(tmp_path: Path) -> None:
    """A cut or changed file is refused in one sentence, or read as what is left of it."""
    chance = random.Random(17 if TURNS == 3 else None)
    small = [case for case in corpus.CASES if not case.name.endswith(".csv")] + corpus.CASES[:1]
    faults = []
    for case in small:
        for turn in range(TURNS):
            data = bytearray(case.data)
            if turn % 4 == 0:
                data = data[: chance.randrange(1, len(data))]
            else:
                for _ in range(1 + 5 * (turn % 8)):
                    data[chance.randrange(len(data))] = chance.randrange(256)
            try:
                read(tmp_path, case.name, bytes(data), case.options)
            except InvalidInputError as error:
                if printable(error.message) != error.message:
                    faults.append(f"{case.name} {turn}: {error.message!r}")
            except Exception as error:  # noqa: BLE001 (what the test is for)
                faults.append(f"{case.name} {turn}: {error!r}")
    assert faults == []


def test_the_unnamed_column_of_row_numbers_is_not_kept(tmp_path: Path) -> None:
    head = b",published_at,likes,comments,shares\n"
    _, (row,) = read(tmp_path, "r.csv", head + b"1,2024-05-31 10:00,5302.0,1,1\n", {})
    assert (row.likes, row.raw) == (5302, None)
    _, (row,) = read(tmp_path, "r.csv", head + b"x,2024-05-31 10:00,5302.0,1,1\n", {})
    assert row.raw == {"column 1": "x"}

"""Files that lie, for the commands that read files: `import-history`, `posts import`, `media upload`."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from tests.hostile.corpus import pictures

if TYPE_CHECKING:
    from pathlib import Path

HEAD = b"published_at,likes,comments,shares\n"
GOOD = b"2026-01-05T10:00:00Z,1,2,3\n"


def _parquet(**columns: object) -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.table(columns), written)
    return written.getvalue()


def histories() -> dict[str, bytes]:
    """Return files of past posts by name; no row can be loaded of any but the three that are sound (see write_all)."""
    when = [datetime(2026, 1, 5, tzinfo=UTC)]
    whole = _parquet(published_at=when, likes=[1], comments=[1], shares=[1])
    return {
        "empty.csv": b"",
        "nul.csv": HEAD + b"2026-01-05T10:00:00Z,1\x00,2,3\n",
        "zeros.csv": bytes(100_000),
        "utf16.csv": (HEAD + GOOD).decode().encode("utf-16"),
        "latin.csv": b"ver\xf6ffentlicht,likes,comments,shares\n" + GOOD,
        "other.csv": b"a,b,c\n1,2,3\n",
        "twice.csv": b"published_at,published_at,likes,comments,shares\n" + GOOD,
        "quote.csv": HEAD + b'"' + b"a" * 1_000_000,
        "ragged.csv": HEAD + b"2026-01-05\n1,2,3,4,5,6,7\n",
        "negative.csv": HEAD + b"2026-01-05T10:00:00Z,-1,-2,-3\n",
        "huge.csv": HEAD + b"2026-01-05T10:00:00Z," + b"9" * 5000 + b",2,3\n",
        "nan.csv": HEAD + b"2026-01-05T10:00:00Z,nan,inf,1e400\n",
        "dates.csv": HEAD + b"2026-02-31T25:00:00Z,1,2,3\n",
        "future.csv": HEAD + b"9999-12-31T23:59:59Z,1,2,3\n",
        "forging.csv": HEAD + b'"a\x1b[2J\r\nFORGED-LINE",1,2,3\n',
        "columns.csv": b",".join(b"c%d" % n for n in range(30_000)) + b"\n",
        "bytes.csv": bytes(range(256)) * 1000,
        "parquet.csv": whole,
        "csv.parquet": HEAD + GOOD,
        "empty.parquet": b"",
        "magic.parquet": b"PAR1PAR1",
        "cut.parquet": whole[: len(whole) // 2],
        "footer.parquet": whole[:-8] + b"\xff\xff\xff\x7fPAR1",
        "damaged.parquet": whole[:30] + bytes(60) + whole[90:],
        "random.parquet": b"PAR1" + bytes(range(256)) * 100 + b"\x10\x00\x00\x00PAR1",
        "types.parquet": _parquet(published_at=["x"], likes=[[1]], comments=[{"a": 1}], shares=[b"\xff"]),
        "nulls.parquet": _parquet(published_at=[None], likes=[None], comments=[None], shares=[None]),
        "floats.parquet": _parquet(
            published_at=when, likes=[float("nan")], comments=[float("inf")], shares=[-1.0]
        ),
    }


def posts() -> dict[str, bytes]:
    """Return files of posts of which no row is right, by file name."""
    head = b"content,platforms,scheduled_at\n"
    return {
        "empty.csv": b"",
        "head.csv": head,
        "nul.csv": head + b"a\x00,mastodon,2031-03-05T10:00:00Z\n",
        "latin.csv": head + b"\xff,mastodon,2031-03-05T10:00:00Z\n",
        "quote.csv": head + b'"' + b"a" * 300_000,
        "rows.csv": head + b"a,mastodon,x\n" * 50_000,
        "long.csv": head + b"a" * 500_000 + b",mastodon,x\n",
        "deep.json": b"[" * 100_000,
        "surrogate.json": b'[{"content": "\\ud800", "platforms": ["mastodon"]}]',
        "number.json": b'[{"content": ' + b"9" * 10_000 + b"}]",
        "types.json": b'[1, null, [], "a", {"content": {}}]',
        "binary.json": bytes(range(256)) * 100,
        "lines.jsonl": b'{"content"\n[\n\x00\n',
        "parquet.jsonl": b"PAR1" + bytes(100) + b"PAR1",
    }


def media() -> dict[str, bytes]:
    """Return files that are no pictures, by file name."""
    return {
        "empty.png": b"",
        "text.png": b"not a picture",
        "html.png": b"<html>",
        "zip.png": b"PK\x03\x04" + bytes(100),
    }


def write_all(folder: Path) -> list[tuple[list[str], bool]]:
    """Write the files. Returns the commands that read them, and whether each must refuse."""
    commands: list[tuple[list[str], bool]] = []
    for kind, files in (
        ("histories", histories()),
        ("posts", posts()),
        ("media", media()),
        ("pictures", pictures()),
    ):
        (folder / kind).mkdir(parents=True)
        for name, content in files.items():
            path = folder / kind / (name if "." in name else f"{name.replace(' ', '-')}.bin")
            path.write_bytes(content)
            match kind:
                case "histories":
                    words = ["import-history", str(path), "--platform", "mastodon", "--account", "a"]
                case "posts":
                    words = ["posts", "import", str(path)]
                case _:
                    words = ["media", "upload", str(path)]
            # What a history file is, its content says and not its name: the two under the wrong name are read.
            readable = {"parquet.csv", "csv.parquet", "utf16.csv"}
            commands.append((words, kind != "pictures" and name not in readable))
    return commands

"""The bulk route without a server, for `socialflow posts import`: `python -m api.posts.import_posts FILE`.

A process of its own, since the command's room does not import this one. Prints the report as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from api.serve import create_app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.posts.schemas_bulk import BulkMode, BulkOut

_TYPES = {".csv": "text/csv", ".json": "application/json"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Import a file; 0 = every row is right, 1 = some are wrong, 2 = the file or the store cannot be used."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--mode", choices=("all", "each"), default="all")
    parser.add_argument("--dry-run", action="store_true")
    asked = parser.parse_args(arguments)
    from api.http.errors import ApiError  # noqa: PLC0415 (after create_app has set up what may be imported)
    from warehouse.errors import WarehouseError  # noqa: PLC0415 (same)

    try:
        body = asked.file.read_bytes()
        kind = _TYPES.get(asked.file.suffix.lower(), "application/x-ndjson")
        report = asyncio.run(import_posts(body, kind, asked.mode, dry_run=asked.dry_run))
    except (ApiError, WarehouseError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"{asked.file}: {error.strerror or error}\n")
        return 2
    sys.stdout.write(report.model_dump_json(indent=2) + "\n")
    return 1 if report.failed else 0


async def import_posts(body: bytes, content_type: str, mode: BulkMode, *, dry_run: bool) -> BulkOut:
    """Import posts, as POST /posts/bulk takes them, into the first workspace. Raises ApiError, WarehouseError."""
    app = create_app()
    from api.http.callers import Caller  # noqa: PLC0415 (same)
    from api.posts.bulk import NothingSaved, create_posts  # noqa: PLC0415 (see main)
    from api.posts.files import read_post_rows  # noqa: PLC0415 (same)
    from warehouse.store.access.workspaces import DEFAULT_WORKSPACE_ID  # noqa: PLC0415 (same)

    rows = read_post_rows(body, content_type)
    caller = Caller("cli", DEFAULT_WORKSPACE_ID, frozenset({"write"}))
    async with app.router.lifespan_context(app):
        services = app.state.services
        try:
            with services.store.write() as session:
                return create_posts(services, caller, session, rows, mode=mode, dry_run=dry_run)
        except NothingSaved as outcome:
            return outcome.report


if __name__ == "__main__":
    raise SystemExit(main())

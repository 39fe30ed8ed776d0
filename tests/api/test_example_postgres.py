"""examples/postgres with the running API and a real PostgreSQL: the copy equals the lake, whatever happens."""

from __future__ import annotations

import importlib.util
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.api.analytics.test_overview import measure
from warehouse.lake.maintenance import maintain_lake

if TYPE_CHECKING:
    from types import ModuleType

    from sqlalchemy import URL

    from tests.api.harness import Tenant

FILE = Path(__file__).parents[2] / "examples" / "postgres" / "sync_posts.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sync_posts", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_copy_follows_the_lake_by_the_cursor(tenant: Tenant, postgres_server: URL) -> None:
    example = load()
    lake = tenant.server.services.lake
    export = example.Export(tenant.server.url, tenant.key.api_key, tenant.key.api_secret)
    address = postgres_server.set(drivername="postgresql").render_as_string(hide_password=False)

    def expected() -> list[tuple[Any, ...]]:
        rows = lake.query(
            "SELECT publication_id, platform, likes, engagement FROM marts.posts_wide "
            "WHERE workspace_id = $workspace ORDER BY 1",
            {"workspace": tenant.workspace_id},
        )
        return [tuple(row.values()) for row in rows]

    with psycopg.connect(address, autocommit=True) as target:
        target.execute("CREATE SCHEMA copy_of_posts")
        target.execute("SET search_path = copy_of_posts")

        def copied() -> list[tuple[Any, ...]]:
            return target.execute(
                "SELECT publication_id, platform, likes, engagement FROM posts_wide ORDER BY 1"
            ).fetchall()

        measure(tenant, "twitter-user", [10, 20])
        assert example.sync(export, target) == {"inserted": 2, "changed": 0, "removed": 0}
        assert copied() == expected()
        assert example.sync(export, target) == {"inserted": 0, "changed": 0, "removed": 0}
        measure(tenant, "mastodon-user", [7])
        with lake.write() as cursor:
            cursor.execute("DELETE FROM marts.publication_latest WHERE likes = 10")
            cursor.execute("UPDATE marts.publication_latest SET likes = 21, engagement = 23 WHERE likes = 20")
        assert example.sync(export, target) == {"inserted": 1, "changed": 1, "removed": 1}
        assert copied() == expected()
        # A run that dies after it has fetched changes nothing, and the next one does all of it.
        with lake.write() as cursor:
            cursor.execute("UPDATE marts.publication_latest SET likes = 22 WHERE likes = 21")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(example, "apply", lambda _cursor, _changes: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                example.sync(export, target)
        assert copied() != expected()
        assert example.sync(export, target)["changed"] == 1
        assert copied() == expected()
        # The lake no longer has the cursor's snapshot: everything once more.
        with lake.write() as cursor:
            cursor.execute("UPDATE marts.publication_latest SET likes = 23 WHERE likes = 22")
        maintain_lake(lake, datetime(2027, 6, 1, tzinfo=UTC))
        assert example.sync(export, target) == {"inserted": 2, "changed": 0, "removed": 0}
        assert copied() == expected()
        target.execute("DROP SCHEMA copy_of_posts CASCADE")

"""A real DuckLake for each test: copied from one made per run, since making its tables takes a second."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import make_url

from warehouse.lake.connect import Lake
from warehouse.lake.marts import KEYS
from warehouse.lake.rows import AccountDim, AccountSnapshot, PostSnapshot, PublicationDim
from warehouse.settings import WarehouseSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAY = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(scope="session")
def lake_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("lake-template") / "home"
    Lake.open(WarehouseSettings(home=home)).close()
    return home


@pytest.fixture
def lake_settings(lake_template: Path, warehouse_settings: WarehouseSettings) -> WarehouseSettings:
    shutil.copytree(lake_template, warehouse_settings.home, dirs_exist_ok=True)
    return warehouse_settings


@pytest.fixture
def lake(lake_settings: WarehouseSettings) -> Iterator[Lake]:
    with Lake.open(lake_settings, threads=1) as opened:
        yield opened


@pytest.fixture(scope="session")
def make_account() -> Callable[..., AccountDim]:
    def make(account_id: str = "acct_a", **changes: Any) -> AccountDim:
        values = {"workspace_id": "ws_1", "platform": "twitter", "handle": account_id.removeprefix("acct_")}
        return AccountDim(account_id, **(values | changes))

    return make


@pytest.fixture(scope="session")
def make_publication() -> Callable[..., PublicationDim]:
    def make(name: str = "1", **changes: Any) -> PublicationDim:
        values: dict[str, Any] = {
            "publication_id": f"pub_{name}",
            "post_id": f"post_{name}",
            "workspace_id": "ws_1",
            "account_id": "acct_a",
            "platform": "twitter",
            "origin": "socialflow",
            "kind": "text",
            "published_at": DAY,
        }
        return PublicationDim(**(values | changes))

    return make


@pytest.fixture(scope="session")
def make_snapshot() -> Callable[..., PostSnapshot]:
    def make(
        name: str = "1", *, hours: float = 24, published_at: datetime = DAY, **changes: Any
    ) -> PostSnapshot:
        values: dict[str, Any] = {
            "workspace_id": "ws_1",
            "publication_id": f"pub_{name}",
            "account_id": "acct_a",
            "published_at": published_at,
            "captured_at": published_at + timedelta(hours=hours),
        }
        return PostSnapshot(**(values | changes))

    return make


@pytest.fixture(scope="session")
def make_count() -> Callable[..., AccountSnapshot]:
    def make(
        followers: int | None, *, days: float = 0, account_id: str = "acct_a", **changes: Any
    ) -> AccountSnapshot:
        values: dict[str, Any] = {
            "workspace_id": "ws_1",
            "account_id": account_id,
            "captured_at": DAY + timedelta(days=days),
            "followers": followers,
        }
        return AccountSnapshot(**(values | changes))

    return make


@pytest.fixture(scope="session")
def read_marts() -> Callable[[Lake], dict[str, list[tuple[Any, ...]]]]:
    """All marts kept up at load time, in an order that does not depend on how they came about."""

    def read(lake: Lake) -> dict[str, list[tuple[Any, ...]]]:
        statements = {mart: f"FROM marts.{mart} ORDER BY {', '.join(key)}" for mart, key in KEYS.items()}
        return {mart: [tuple(row.values()) for row in lake.query(sql)] for mart, sql in statements.items()}

    return read


@pytest.fixture
def postgres_settings(postgres_url: str, tmp_path: Path) -> WarehouseSettings:
    """Settings of a lake whose catalog is an empty-of-lakes PostgreSQL database."""
    url = make_url(postgres_url)
    words = make_conninfo(
        host=str(url.host or url.query["host"]), dbname=url.database, user=url.username, password="hush-hush"
    )
    return WarehouseSettings(
        home=tmp_path / "home", lake_catalog=f"postgres:{words}", lake_data_path=str(tmp_path / "shared")
    )

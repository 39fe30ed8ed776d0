"""The lake of several machines: its catalog in a real PostgreSQL, locked there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.warehouse.lake.lake_console import run_sql
from warehouse.errors import ConflictError, InvalidInputError, SetupError
from warehouse.lake.connect import Lake
from warehouse.lake.load import load_post_snapshots, load_publications
from warehouse.lake.maintenance import maintain_lake

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from warehouse.settings import WarehouseSettings

    Make = Callable[..., Any]


def test_the_whole_life_of_a_lake(
    postgres_settings: WarehouseSettings, tmp_path: Path, make_publication: Make, make_snapshot: Make
) -> None:
    with Lake.open(postgres_settings) as lake, Lake.open(postgres_settings) as second:
        load_publications(lake, [make_publication()])
        assert load_post_snapshots(lake, [make_snapshot(likes=1)], "run_1") == 1
        assert load_post_snapshots(second, [make_snapshot(likes=1)], "run_2") == 0
        assert second.snapshot_id() == lake.snapshot_id()
        maintain_lake(second, datetime.now(UTC))
        assert lake.query("SELECT engagement FROM marts.publication_latest") == [{"engagement": 1}]
    assert run_sql(postgres_settings, "SELECT count(*) FROM raw.post_snapshots")[1] == [(1,)]
    assert list((tmp_path / "shared").rglob("*.parquet"))
    with psycopg.connect(postgres_settings.resolved_lake_catalog.removeprefix("postgres:")) as session:
        assert session.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() == (0,)


def test_a_write_whose_lock_was_lost_is_not_committed(
    postgres_settings: WarehouseSettings,
) -> None:
    with Lake.open(postgres_settings) as lake:
        words = postgres_settings.resolved_lake_catalog.removeprefix("postgres:")

        def work(cursor: DuckDBPyConnection) -> None:
            cursor.execute("INSERT INTO schema_version VALUES (0, 'probe', now())")
            with psycopg.connect(words, autocommit=True) as session:
                session.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON oid = database "
                    "WHERE locktype = 'advisory' AND datname = current_database()"
                )

        with pytest.raises(ConflictError, match="lock was lost"):
            lake.run_write(work)
        assert lake.query("SELECT * FROM schema_version WHERE name = 'probe'") == []


def test_a_catalog_that_is_not_there_is_told_without_its_password(
    postgres_settings: WarehouseSettings,
) -> None:
    gone = postgres_settings.model_copy(
        update={"lake_catalog": postgres_settings.resolved_lake_catalog.replace("dbname=test_", "dbname=no_")}
    )
    with pytest.raises(SetupError, match="dbname=no_") as raised:
        Lake.open(gone)
    assert "hush-hush" not in raised.value.message
    assert "\n" not in raised.value.message


STORE_READERS = (
    "SELECT * FROM __ducklake_metadata_lake.public.api_keys",
    'SELECT * FROM "__DUCKLAKE_metadata_lake"."public"."api_keys"',
    "SELECT * FROM __ducklake_metadata_lake.api_keys",
    "FROM __ducklake_metadata_lake.public.api_keys",
    "WITH keys AS (SELECT * FROM __ducklake_metadata_lake.public.api_keys) SELECT * FROM keys",
    "SELECT (SELECT max(secret) FROM __ducklake_metadata_lake.public.api_keys)",
    "SUMMARIZE __ducklake_metadata_lake.public.api_keys",
    "DESCRIBE __ducklake_metadata_lake.public.api_keys",
    "EXPLAIN ANALYZE SELECT * FROM __ducklake_metadata_lake.public.api_keys",
    "PIVOT __ducklake_metadata_lake.public.api_keys ON secret IN ('a') USING count(*)",
    "SELECT * FROM pragma_table_info('__ducklake_metadata_lake.public.api_keys')",
    "SELECT * FROM public.api_keys",
    "SELECT * FROM api_keys",
    "SELECT * FROM lake.public.api_keys",
    "SELECT * FROM postgres_query('__ducklake_metadata_lake', 'SELECT * FROM api_keys')",
    "SELECT * FROM postgres_scan('', 'public', 'api_keys')",
    "SELECT * FROM query_table('__duck' || 'lake_metadata_lake.public.api_keys')",
)


def test_the_store_beside_the_catalog_is_out_of_reach(postgres_settings: WarehouseSettings) -> None:
    with Lake.open(postgres_settings):
        pass
    with psycopg.connect(postgres_settings.resolved_lake_catalog.removeprefix("postgres:")) as session:
        session.execute("CREATE TABLE IF NOT EXISTS public.api_keys AS SELECT 'hush-hush'::text AS secret")
    for statement in STORE_READERS:
        with pytest.raises(InvalidInputError) as raised:
            run_sql(postgres_settings, statement)
        assert "hush" not in raised.value.message, statement
    assert run_sql(postgres_settings, "SELECT count(*) FROM marts.publication_latest")[1] == [(0,)]

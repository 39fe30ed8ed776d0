"""A filled home, and an S3 server and a PostgreSQL database that an installation can live on."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from moto.server import ThreadedMotoServer
from psycopg.conninfo import make_conninfo
from sqlalchemy import make_url

from tests.flows.cli.installation.test_backup import HISTORY, call_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c63f8cfc0f01f0005000201a2b5c6bb0000000049454e44ae426082"
)


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    httpx.put(f"http://{host}:{port}/moved").raise_for_status()
    yield f"{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def old_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an account's history, a key, an upload, and a lake of several snapshots."""
    folder = tmp_path_factory.mktemp("old")
    (folder / "history.csv").write_text(HISTORY)
    (folder / "dot.png").write_bytes(PNG)
    there = {"SOCIALFLOW_HOME": str(folder / "home")}
    call_json("keys", "create", "--name", "ci", **there)
    call_json(
        "import-history", str(folder / "history.csv"), "--account", "a", "--platform", "twitter", **there
    )
    call_json("media", "upload", str(folder / "dot.png"), **there)
    return folder / "home"


@pytest.fixture
def home(old_home: Path, tmp_path: Path) -> Path:
    shutil.copytree(old_home, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def servers(home: Path, postgres_url: str, s3: str, tmp_path: Path) -> dict[str, Any]:
    """Settings of an installation on PostgreSQL (store and catalog) and a bucket of its own."""
    url = make_url(postgres_url)
    words = make_conninfo(host=str(url.host or url.query["host"]), dbname=url.database, user=url.username)
    return {
        "home": tmp_path / "server",
        "database_url": url.set(drivername="postgresql").render_as_string(hide_password=False),
        "lake_catalog": f"postgres:{words}",
        "lake_data_path": f"s3://moved/{tmp_path.name}/lake/",
        "media_path": f"s3://moved/{tmp_path.name}/media",
        "lake_s3_endpoint": s3,
        "lake_s3_access_key_id": "key",
        "lake_s3_secret_access_key": "secret",
        "lake_s3_use_ssl": "false",
        "secret_key_file": home / "secret.key",
    }


def environment(settings: dict[str, Any]) -> dict[str, str]:
    return {f"SOCIALFLOW_{name.upper()}": str(value) for name, value in settings.items()}

"""The server's entry point, in a process of its own as it is meant to be."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import asyncio, os, sys
from datetime import UTC, datetime
import httpx
from api.serve import create_app
from warehouse.store.access.api_keys import SCOPES, create_api_key

async def start(**settings):
    "Start the application with these settings, and return the reason why that failed."
    told = []
    os.environ.update(settings)
    async def receive():
        return {"type": "lifespan.startup"}
    async def send(message):
        told.append(message)
    try:
        await create_app()({"type": "lifespan", "state": {}}, receive, send)
    except SystemExit as end:
        return str(end)
    except Exception:
        pass  # uvicorn ignores it, too: what it logs is the message
    finally:
        for name in settings:
            del os.environ[name]
    (message,) = told
    assert message["type"] == "lifespan.startup.failed"
    return message["message"]

async def refused():
    said = await start(SOCIALFLOW_KEEP_FINDINGS="abc")
    assert said.startswith("SOCIALFLOW_KEEP_FINDINGS: ") and "\\n" not in said, said
    said = await start(SOCIALFLOW_API_RATE_LIMIT_STORAGE="redsi://:geheim@host:1/0")
    assert said.startswith("SOCIALFLOW_API_RATE_LIMIT_STORAGE: ") and "geheim" not in said, said
    said = await start(SOCIALFLOW_DATABASE_URL="postgresql://someone:geheim@127.0.0.1:9/store")
    assert said.startswith("cannot use the store at postgresql://someone:***@") and "refused" in said, said
    assert "geheim" not in said and "\\n" not in said, said

async def main():
    await refused()
    app = create_app()
    async with app.router.lifespan_context(app):
        services = app.state.services
        with services.store.write() as session:
            key = create_api_key(
                session, services.store.cipher, "ws_default", "test", SCOPES, datetime.now(UTC)
            )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as client:
            body = {"api_key": key.api_key, "api_secret": key.api_secret}
            token = (await client.post("/api/v1/auth/token", json=body)).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            analytics = [f"/api/v1/analytics/{name}" for name in ("overview", "posts", "accounts", "export")]
            for path in ("/readyz", *analytics, "/api/v1/schedules/optimal-times"):
                answer = await client.get(path)
                assert answer.status_code == 200, answer.text
    print("pyarrow" in sys.modules, sys.modules["pandas"])

asyncio.run(main())
"""


def test_the_server_reads_the_lake_without_pandas(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={"SOCIALFLOW_HOME": str(tmp_path / "home"), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "None"]

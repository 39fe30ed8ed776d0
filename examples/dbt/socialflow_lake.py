"""Plugin of dbt-duckdb that attaches SocialFlow's lake read-only as `lake`, without downloading anything.

It runs `socialflow lake attach --format json` (with the command in SOCIALFLOW_COMMAND) and executes what that prints.
dbt needs the same DuckDB version as SocialFlow, because DuckDB's extensions fit one version only.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from typing import TYPE_CHECKING

from dbt.adapters.duckdb.plugins import BasePlugin

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Plugin(BasePlugin):
    """Attach the lake when dbt opens its connection."""

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Execute the statements, except the one that would make the lake the default for dbt's own models."""
        command = shlex.split(os.environ.get("SOCIALFLOW_COMMAND", "socialflow"))
        asked = subprocess.run(  # noqa: S603 (the user's own command)
            [*command, "lake", "attach", "--format", "json"],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        for statement in json.loads(asked.stdout)["statements"]:
            if not statement.startswith("USE "):
                conn.execute(statement)

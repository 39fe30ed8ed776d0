"""Find SOCIALFLOW_ variables that nothing reads: a misspelt setting is otherwise ignored silently."""

from __future__ import annotations

import difflib
import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.settings import ConnectorSettings, LogSettings, TraceSettings
from connectors.webhooks.settings import WebhookSettings
from flows.notifications.settings import NotifySettings
from flows.publishing.settings import PublisherSettings
from flows.settings import FlowSettings
from warehouse.settings import WarehouseSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic_settings import BaseSettings

PREFIX = "SOCIALFLOW_"
_READ_BY_COMMANDS = ("SOCIALFLOW_ACCESS_TOKEN", "SOCIALFLOW_REFRESH_TOKEN")
_KINDS: tuple[type[BaseSettings], ...] = (
    ConnectorSettings,
    FlowSettings,
    LogSettings,
    NotifySettings,
    PublisherSettings,
    TraceSettings,
    WarehouseSettings,
    WebhookSettings,
)


def list_known_settings() -> set[str]:
    """Return the name of every environment variable that SocialFlow reads."""
    # Listed by name: flows must not import api, whose process reads these settings.
    api = importlib.import_module("api.settings")
    kinds = (*_KINDS, api.ApiSettings, api.McpSettings)
    return set(_READ_BY_COMMANDS) | {
        f"{kind.model_config.get('env_prefix', '')}{name}".upper()
        for kind in kinds
        for name in kind.model_fields
    }


def find_unknown_settings(folder: Path | None = None) -> Iterator[tuple[str, str, str | None]]:
    """Yield (variable, where it is set, the closest known name) of each variable that nothing reads.

    Checks the environment and a `.env` file in `folder` (default: the current one).
    """
    known = list_known_settings()
    for where, names in (
        ("the environment", os.environ),
        (".env", _read_names((folder or Path.cwd()) / ".env")),
    ):
        for name in sorted(set(names)):
            if name.startswith(PREFIX) and name not in known:
                close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
                yield name, where, close[0] if close else None


def _read_names(path: Path) -> Iterable[str]:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return []
    words = (line.strip().removeprefix("export ") for line in lines)
    return [word.partition("=")[0].strip() for word in words if "=" in word and not word.startswith("#")]

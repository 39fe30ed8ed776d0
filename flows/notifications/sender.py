"""Send one message to one address through apprise, and say why that failed without repeating the address.

Addresses contain passwords and tokens, and apprise's own log quotes them in part: what it logs is kept from our logs,
and every part of an address is cut out of a reason. apprise takes 50 MB and is imported only in processes that send.
"""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote

import apprise

from warehouse.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONGEST_REASON = 300
_SHORTEST_SECRET = 4
_apprise_log = logging.getLogger("apprise")


class Sender:
    """One address. `name` tells it from the others without quoting it, such as '2 (Slack)'."""

    def __init__(self, number: int, url: str) -> None:
        """Raise SetupError for an address that apprise does not know."""
        with _capture_log():
            service = apprise.Apprise.instantiate(url, asset=apprise.AppriseAsset(async_mode=False))
        if not isinstance(service, apprise.NotifyBase):
            scheme = re.match(r"[a-z][a-z0-9]{0,20}(?=s?://)", url)
            kind = f" ({scheme[0]}://...)" if scheme else ""
            raise SetupError(
                f"SOCIALFLOW_NOTIFY_URLS: address {number}{kind} is not one that apprise knows: "
                "see https://appriseit.com for the notation of each service"
            )
        self.url = url
        self.name = f"{number} ({service.service_name})"
        self._service = service
        self._secrets = _list_secrets(url)

    def send(self, title: str, text: str) -> str | None:
        """Send and return None, or why it failed. Each request ends within seconds (apprise's own limits)."""
        with _capture_log() as said:
            try:
                sent = self._service.notify(title=title, body=text, body_format=apprise.NotifyFormat.TEXT)
            except Exception as error:  # noqa: BLE001 (a plugin's bug or an odd answer is a failed attempt)
                return self._clean(f"unexpected {type(error).__name__}: {error}")
        return None if sent else self._clean("; ".join(said) or "the service gave no reason")

    def _clean(self, reason: str) -> str:
        for secret in self._secrets:
            reason = re.sub(re.escape(secret), "***", reason, flags=re.IGNORECASE)
        return reason[:LONGEST_REASON]


def open_senders(urls: Sequence[str]) -> list[Sender]:
    """Return one sender per address. Raises SetupError."""
    return [Sender(number, url) for number, url in enumerate(urls, start=1)]


def _list_secrets(url: str) -> list[str]:
    """Return every part of the address that may be secret, longest first: all but its scheme."""
    _, _, rest = url.partition("://")
    parts = {part for text in (rest, unquote(rest)) for part in re.split(r"[/:@?&=,\s]", text)}
    return sorted((part for part in parts if len(part) >= _SHORTEST_SECRET), key=len, reverse=True)


@contextmanager
def _capture_log() -> Iterator[list[str]]:
    """Yield the list that gets apprise's warnings and errors, and keep them from every other log."""
    said: list[str] = []

    class Catcher(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    catcher = Catcher(logging.WARNING)
    before = (_apprise_log.handlers[:], _apprise_log.propagate, _apprise_log.level)
    _apprise_log.handlers, _apprise_log.propagate = [catcher], False
    _apprise_log.setLevel(logging.WARNING)
    try:
        yield said
    finally:
        _apprise_log.handlers, _apprise_log.propagate = before[0], before[1]
        _apprise_log.setLevel(before[2])

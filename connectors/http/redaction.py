"""Remove secrets from everything that leaves a connector: error messages and log lines."""

import logging
import re
from collections.abc import Iterable
from urllib.parse import quote

from pydantic import SecretStr

REDACTED = "[redacted]"
_SHORTEST_SECRET = 6  # shorter values would also match ordinary words

# Secrets whose values we do not know, such as a new token in a response that could not be parsed.
_PATTERNS = (
    # These words are not tokens: "Invalid Bearer token" is an error message that must stay readable.
    re.compile(
        r"(?i)(?<=bearer )(?!(?:access|auth|authentication|authori[sz]ation|credentials?|header|is|scheme|tokens?|was)"
        r"(?![\w.~+/=-]))[\"']?[^\s\"',]+"
    ),
    re.compile(r"(?i)(?<=basic )[A-Za-z0-9+/=]{8,}"),
    re.compile(
        r"(?i)(?:(?<=access_token=)|(?<=refresh_token=)|(?<=client_secret=)|(?<=password=)"
        r"|(?<=upload_token=))[^&\s\"']+"
    ),
    re.compile(
        r'(?i)(?<="access_token":)\s*"[^"]*"|(?<="refresh_token":)\s*"[^"]*"'
        r'|(?<="accessJwt":)\s*"[^"]*"|(?<="refreshJwt":)\s*"[^"]*"|(?<="password":)\s*"[^"]*"'
    ),
    re.compile(r"(?<=upload_id=)[^&\s\"']+"),  # anyone who knows an upload session can write to it
    re.compile(r"(?<=/bot)[0-9]{5,}:[A-Za-z0-9_-]{20,}"),  # Telegram's URLs contain the token
    re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"),
)


def redact(text: str, secrets: Iterable[SecretStr | None] = ()) -> str:
    """Return `text` without the values of `secrets` (plain or URL-encoded) and other likely tokens."""
    values = {item.get_secret_value() for item in secrets if item is not None}
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, REDACTED).replace(quote(value, safe=""), REDACTED)
    for pattern in _PATTERNS:
        text = pattern.sub(REDACTED, text)
    return text


class RedactingFilter(logging.Filter):
    """Redact log records: httpx logs full URLs, and one of Instagram's contains its token."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record in place; never drop it."""
        message = record.getMessage()
        clean = redact(message)
        if clean != message:
            record.msg, record.args = clean, ()
        return True


def guard_http_logs() -> None:
    """Install the filter on httpx's logger, once."""
    logger = logging.getLogger("httpx")
    if not any(isinstance(item, RedactingFilter) for item in logger.filters):
        logger.addFilter(RedactingFilter())

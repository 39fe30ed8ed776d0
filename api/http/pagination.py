"""Pagination cursors, each bound to the filter of its list."""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Annotated
from urllib.parse import urlencode

import orjson
from fastapi import Query, Request

from api.http.errors import problem_at

_LAST_ID = re.compile(r"[\x20-\x7e]{1,200}")
"""Cursors consist of these characters only; PostgreSQL rejects comparisons with some others."""

Limit = Annotated[int, Query(ge=1, le=100, description="Entries per page.")]
Cursor = Annotated[
    str | None, Query(max_length=500, description="`next_cursor` of the previous page, with the same filter.")
]


def encode_cursor(last_id: str, filter_values: Mapping[str, object]) -> str:
    """Return the cursor that continues after `last_id`."""
    plain = orjson.dumps([last_id, _fingerprint(filter_values)])
    return base64.urlsafe_b64encode(plain).rstrip(b"=").decode()


def decode_cursor(cursor: str | None, filter_values: Mapping[str, object]) -> str | None:
    """Return the id to continue after. Raises a 422 for a damaged cursor or one of another filter."""
    if cursor is None:
        return None
    try:
        last_id, fingerprint = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, binascii.Error):
        raise problem_at(
            "cursor", "invalid_cursor", "the cursor is damaged: start again without it"
        ) from None
    if isinstance(last_id, str) and not _LAST_ID.fullmatch(last_id):
        raise problem_at("cursor", "invalid_cursor", "the cursor is damaged: start again without it")
    if not isinstance(last_id, str) or fingerprint != _fingerprint(filter_values):
        raise problem_at(
            "cursor",
            "cursor_of_another_filter",
            "the cursor belongs to another filter: start again without it",
        )
    return last_id


def next_link(request: Request, cursor: str) -> str:
    """Return the Link header of the next page."""
    return link_to_next(request.url.path, request.query_params.multi_items(), cursor)


def link_to_next(path: str, query: Iterable[tuple[str, str]], cursor: str) -> str:
    """Like `next_link`, for the path and the query of a request."""
    others = [(name, value) for name, value in query if name != "cursor"]
    return f'<{path}?{urlencode([*others, ("cursor", cursor)])}>; rel="next"'


def _fingerprint(filter_values: Mapping[str, object]) -> str:
    canonical = orjson.dumps(filter_values, option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.sha256(canonical).hexdigest()[:12]

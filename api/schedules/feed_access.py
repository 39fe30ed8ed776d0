"""Authorize the calendar feed: by the feed token in the address, or by an access token with read scope."""

import asyncio
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials

from api.auth.sign_in import refuse_guessing
from api.http.dependencies import ServicesDep, bearer, require_scope, require_within_limit
from api.http.errors import ApiError
from api.http.middleware import SCOPE_KEY
from api.http.services import Services
from warehouse.store.schedules.calendar_feeds import find_feed

_as_reader = require_scope("read")


async def feed_workspace(
    request: Request,
    services: ServicesDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> str:
    """Return the id of the workspace whose calendar the caller may read."""
    token: str | None = request.scope.get(SCOPE_KEY)
    if token is None:
        return (await _as_reader(request, credentials)).workspace_id
    return await asyncio.to_thread(_check_token, request, services, token)


def _check_token(request: Request, services: Services, token: str) -> str:
    now = services.clock()
    with services.store.read() as session:
        feed = find_feed(session, services.store.cipher, token)
    if feed is None:
        address = request.client.host if request.client else ""
        refuse_guessing(services, (f"feed|{address}",))
        raise ApiError(401, "invalid_feed_token", "this feed's address is no longer valid: ask for a new one")
    state = services.key_limiter.take(feed.id, now)
    require_within_limit(request, state, "feed")
    return feed.workspace_id


FeedWorkspace = Annotated[str, Depends(feed_workspace)]

"""Turn a request to connect an account with a token into the account to verify on its platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.content.handles import read_handle, read_instance
from connectors.types import Account, Credentials
from warehouse.platforms import parse_platform
from warehouse.scheduling.local_times import resolve_expiry
from warehouse.store.access.workspaces import get_workspace, parse_timezone

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from warehouse.store.accounts.shapes import ConnectRequest


def read_candidate(session: Session, workspace_id: str, request: ConnectRequest, now: datetime) -> Account:
    """Return the account of the request, to be verified by its platform. Raises InvalidInputError."""
    platform = parse_platform(request.platform)
    zone = parse_timezone(get_workspace(session, workspace_id).timezone)
    if request.timezone is not None:
        parse_timezone(request.timezone)
    return Account(
        id="connecting",
        platform=platform,
        credentials=Credentials(
            access_token=request.access_token,
            refresh_token=request.refresh_token,
            expires_at=resolve_expiry(request.expires_at, zone, now),
        ),
        handle=read_handle(platform, request.handle),
        instance_url=read_instance(platform, request.handle, request.instance_url),
    )

"""Refresh Google's tokens: they last an hour, and the refresh token stays valid.

Source: developers.google.com, "Using OAuth 2.0 for Web Server Applications".
"""

from datetime import datetime, timedelta

from connectors.errors import ContentRejectedError, GiveUpError, ReauthenticateError
from connectors.http.client import PlatformApi
from connectors.oauth.tokens import judge_refresh, parse_token
from connectors.settings import ConnectorSettings
from connectors.types import Credentials

LIFETIME = timedelta(hours=1)
"""Lifetime of an access token whose expiry is unknown."""


async def renew(
    oauth: PlatformApi, settings: ConnectorSettings, old: Credentials, *, now: datetime
) -> Credentials | None:
    """POST /token. None without a refresh token; ReauthenticateError if it was rejected."""
    if old.refresh_token is None:
        return None
    if not settings.youtube_client_id or settings.youtube_client_secret is None:
        raise GiveUpError(
            "YouTube tokens are refreshed by the app: set SOCIALFLOW_YOUTUBE_CLIENT_ID and "
            "SOCIALFLOW_YOUTUBE_CLIENT_SECRET"
        )
    form = {
        "grant_type": "refresh_token",
        "refresh_token": old.refresh_token.get_secret_value(),
        "client_id": settings.youtube_client_id,
        "client_secret": settings.youtube_client_secret.get_secret_value(),
    }
    try:
        return await oauth.prepare("POST", "/token", lambda body: parse_token(body, old, now), data=form)
    except (ContentRejectedError, ReauthenticateError) as error:
        names = "SOCIALFLOW_YOUTUBE_CLIENT_ID and SOCIALFLOW_YOUTUBE_CLIENT_SECRET"
        raise judge_refresh("YouTube", error, settings=names) from None

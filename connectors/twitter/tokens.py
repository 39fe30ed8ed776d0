"""Refresh X's tokens. They rotate: the response has a new refresh token, and the old one is invalid.

Source: docs.x.com, "OAuth 2.0 Authorization Code Flow with PKCE" (confidential apps authenticate with their
secret, public ones only send their client id in the form).
"""

from datetime import datetime, timedelta

import httpx

from connectors.errors import ContentRejectedError, GiveUpError, ReauthenticateError
from connectors.http.client import PlatformApi
from connectors.oauth.tokens import judge_refresh, parse_token
from connectors.settings import ConnectorSettings
from connectors.types import Credentials

LIFETIME = timedelta(hours=2)
"""Lifetime of an access token whose expiry is unknown."""


async def renew(
    api: PlatformApi, settings: ConnectorSettings, old: Credentials, *, now: datetime
) -> Credentials | None:
    """POST /2/oauth2/token. None without a refresh token; ReauthenticateError if it was rejected."""
    if old.refresh_token is None:
        return None
    if not settings.twitter_client_id:
        raise GiveUpError(
            "X (Twitter) tokens are refreshed by the app: set SOCIALFLOW_TWITTER_CLIENT_ID to its client id"
        )
    form = {
        "grant_type": "refresh_token",
        "refresh_token": old.refresh_token.get_secret_value(),
        "client_id": settings.twitter_client_id,
    }
    auth: httpx.Auth = httpx.Auth()
    if settings.twitter_client_secret is not None:
        secret = settings.twitter_client_secret.get_secret_value()
        auth = httpx.BasicAuth(settings.twitter_client_id, secret)
    try:
        return await api.prepare(
            "POST", "/2/oauth2/token", lambda body: parse_token(body, old, now), data=form, auth=auth
        )
    except (ContentRejectedError, ReauthenticateError) as error:
        names = "SOCIALFLOW_TWITTER_CLIENT_ID and SOCIALFLOW_TWITTER_CLIENT_SECRET"
        raise judge_refresh("X (Twitter)", error, settings=names) from None

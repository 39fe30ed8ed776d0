"""Refresh Pinterest's tokens: continuous refresh tokens last 60 days and are replaced on each refresh.

Source: pinterest/openapi.json 5.23.0, /oauth/token (the app authenticates with its id and secret).
"""

from datetime import datetime, timedelta

import httpx

from connectors.errors import ContentRejectedError, GiveUpError, ReauthenticateError
from connectors.http.client import PlatformApi
from connectors.oauth.tokens import judge_refresh, parse_token
from connectors.settings import ConnectorSettings
from connectors.types import Credentials

LIFETIME = timedelta(days=30)
"""Lifetime of an access token whose expiry is unknown."""


async def renew(
    api: PlatformApi, settings: ConnectorSettings, old: Credentials, *, now: datetime
) -> Credentials | None:
    """POST /v5/oauth/token. None without a refresh token; ReauthenticateError if it was rejected."""
    if old.refresh_token is None:
        return None
    if not settings.pinterest_client_id or settings.pinterest_client_secret is None:
        raise GiveUpError(
            "Pinterest tokens are refreshed by the app: set SOCIALFLOW_PINTEREST_CLIENT_ID and "
            "SOCIALFLOW_PINTEREST_CLIENT_SECRET"
        )
    form = {"grant_type": "refresh_token", "refresh_token": old.refresh_token.get_secret_value()}
    auth = httpx.BasicAuth(settings.pinterest_client_id, settings.pinterest_client_secret.get_secret_value())
    try:
        return await api.prepare(
            "POST", "/v5/oauth/token", lambda body: parse_token(body, old, now), data=form, auth=auth
        )
    except (ContentRejectedError, ReauthenticateError) as error:
        names = "SOCIALFLOW_PINTEREST_CLIENT_ID and SOCIALFLOW_PINTEREST_CLIENT_SECRET"
        raise judge_refresh("Pinterest", error, settings=names) from None

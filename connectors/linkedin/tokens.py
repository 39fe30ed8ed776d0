"""Refresh LinkedIn's tokens, for apps that LinkedIn approved for refresh tokens (365 days from sign-in).

Source: learn.microsoft.com/linkedin, "Refresh Tokens with OAuth 2.0".
"""

from datetime import datetime

from connectors.errors import ContentRejectedError, GiveUpError, ReauthenticateError
from connectors.http.client import PlatformApi
from connectors.linkedin.capabilities import LABEL
from connectors.oauth.tokens import judge_refresh, parse_token
from connectors.settings import ConnectorSettings
from connectors.types import Credentials


async def renew(
    api: PlatformApi, settings: ConnectorSettings, old: Credentials, *, now: datetime
) -> Credentials | None:
    """POST /oauth/v2/accessToken. None without a refresh token; ReauthenticateError if it was rejected."""
    if old.refresh_token is None:
        return None
    if not settings.linkedin_client_id or settings.linkedin_client_secret is None:
        raise GiveUpError(
            f"{LABEL} tokens are refreshed by the app: set SOCIALFLOW_LINKEDIN_CLIENT_ID and "
            "SOCIALFLOW_LINKEDIN_CLIENT_SECRET"
        )
    form = {
        "grant_type": "refresh_token",
        "refresh_token": old.refresh_token.get_secret_value(),
        "client_id": settings.linkedin_client_id,
        "client_secret": settings.linkedin_client_secret.get_secret_value(),
    }
    try:
        return await api.prepare(
            "POST", "/oauth/v2/accessToken", lambda body: parse_token(body, old, now), data=form
        )
    except (ContentRejectedError, ReauthenticateError) as error:
        names = "SOCIALFLOW_LINKEDIN_CLIENT_ID and SOCIALFLOW_LINKEDIN_CLIENT_SECRET"
        raise judge_refresh(LABEL, error, settings=names) from None

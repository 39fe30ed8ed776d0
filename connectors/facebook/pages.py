"""Find a Page's own token among the Pages that a person manages.

Source: meta/User.json (edge accounts), meta/Page.json (field access_token).
"""

from typing import Any

from pydantic import SecretStr

from connectors.errors import ReauthenticateError
from connectors.facebook.capabilities import LABEL, VERSION
from connectors.http.client import PlatformApi
from connectors.http.messages import read_secret
from connectors.types import Account


async def take_page_token(api: PlatformApi, account: Account) -> SecretStr:
    """GET /me/accounts: return the token of the Page with the account's handle or id, or of the only Page.

    Raises ReauthenticateError that lists the Pages if none or several match.
    """
    pages = await api.read(
        f"{VERSION}/me/accounts",
        lambda body: [(_parse_names(page), read_secret(page["access_token"])) for page in body["data"]],
        params={"fields": "id,name,username,access_token", "limit": "100"},
    )
    wanted = {name for name in (account.handle, account.external_id) if name}
    fitting = [token for names, token in pages if not wanted or wanted & set(names)]
    if len(fitting) != 1:
        known = ", ".join(names[0] for names, _ in pages) or "none"
        raise ReauthenticateError(
            f"{LABEL}: this is a person's token, which manages these Pages: {known}. Give the token of one "
            "Page, or its handle together with this token",
            status=400,
        )
    return fitting[0]


def _parse_names(page: dict[str, Any]) -> list[str]:
    """Return all names of a Page, best first."""
    names = (page.get("username"), page["id"], page["name"])
    return [str(name) for name in names if name]

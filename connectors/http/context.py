"""What every connector receives: the shared clients, the settings, the clock."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import httpx
from pydantic import SecretStr

from connectors.errors import ConnectorError
from connectors.http.client import Clock, PlatformApi, Refusal
from connectors.http.media import MediaFetcher
from connectors.settings import ConnectorSettings
from connectors.types import Account, Credentials


@dataclass(frozen=True, slots=True)
class ConnectorContext:
    """Shared by all accounts of one platform. `clock` returns aware UTC."""

    client: httpx.AsyncClient
    media: MediaFetcher
    settings: ConnectorSettings
    clock: Clock
    cache: dict[str, object]
    """Facts that apply to many accounts (an instance's limits), cached for the pool's lifetime."""

    def api(
        self,
        account: Account,
        *,
        label: str,
        base_url: str,
        auth: httpx.Auth | None,
        explain: Callable[[Refusal], ConnectorError | None],
    ) -> PlatformApi:
        """Return the HTTP client for this account. The redaction knows all of its secrets."""
        return PlatformApi(
            self.client,
            self.settings,
            label=label,
            base_url=base_url,
            auth=auth,
            secrets=[*_secrets(account.credentials), *self.settings.secrets],
            explain=explain,
            clock=self.clock,
        )


def _secrets(credentials: Credentials) -> Iterable[SecretStr | None]:
    return credentials.access_token, credentials.refresh_token, credentials.app_password

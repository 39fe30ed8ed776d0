"""Settings of notifications to people. Created at the entry points and passed down."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from connectors.settings import explain_settings
from warehouse.errors import SetupError
from warehouse.planning.news import NEWS_KINDS, NewsKind


class NotifySettings(BaseSettings):
    """Where notifications go, and what they are about."""

    model_config = SettingsConfigDict(env_prefix="SOCIALFLOW_NOTIFY_", env_ignore_empty=True, extra="ignore")

    urls: SecretStr = Field(
        default=SecretStr(""),
        description="Addresses in apprise's notation, such as mailto://... or slack://..., separated by spaces.",
    )
    about: Annotated[tuple[NewsKind, ...], NoDecode] = Field(
        default=NEWS_KINDS,
        description=f"What people are notified about, separated by spaces: {' '.join(NEWS_KINDS)}.",
    )

    @field_validator("about", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @property
    def addresses(self) -> list[str]:
        """The addresses one by one, each once. They contain passwords: never print or log one."""
        return list(dict.fromkeys(self.urls.get_secret_value().split()))


def read_settings() -> NotifySettings:
    """Return the settings of the environment. Raises SetupError, which names the setting."""
    try:
        return NotifySettings()
    except ValidationError as error:
        raise SetupError(explain_settings(error)) from None

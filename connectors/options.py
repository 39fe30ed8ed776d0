"""The options of all platforms, without network access: for requests, forms and the API's documentation."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from connectors.bluesky.options import BlueskyOptions
from connectors.capabilities import CAPABILITIES
from connectors.content.options import PlatformOptions
from connectors.facebook.options import FacebookOptions
from connectors.instagram.options import InstagramOptions
from connectors.linkedin.options import LinkedInOptions
from connectors.mastodon.options import MastodonOptions
from connectors.pinterest.options import PinterestOptions
from connectors.telegram.options import TelegramOptions
from connectors.threads.options import ThreadsOptions
from connectors.tiktok.options import TikTokOptions
from connectors.twitter.options import TwitterOptions
from connectors.types import Platform
from connectors.youtube.options import YouTubeOptions

OPTIONS: dict[Platform, type[PlatformOptions]] = {
    platform: capabilities.options for platform, capabilities in CAPABILITIES.items()
}


class MediaOptions(BaseModel):
    """What is said about the media on all platforms."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fit: StrictBool = Field(
        default=False,
        description="Whether a picture over a platform's limit is made smaller or converted (to JPEG, or PNG where it "
        "is transparent) when it is sent. Default: it is refused.",
    )


class PostOptions(BaseModel):
    """Options of a post per platform; `x` is an alias of twitter. A platform that is left out has its defaults."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"example": {"mastodon": {"visibility": "unlisted", "language": "en"}}},
    )

    bluesky: BlueskyOptions | None = Field(default=None)
    facebook: FacebookOptions | None = Field(default=None)
    instagram: InstagramOptions | None = Field(default=None)
    linkedin: LinkedInOptions | None = Field(default=None)
    mastodon: MastodonOptions | None = Field(default=None)
    pinterest: PinterestOptions | None = Field(default=None)
    telegram: TelegramOptions | None = Field(default=None)
    threads: ThreadsOptions | None = Field(default=None)
    tiktok: TikTokOptions | None = Field(default=None)
    twitter: TwitterOptions | None = Field(default=None)
    youtube: YouTubeOptions | None = Field(default=None)
    media: MediaOptions | None = Field(
        default=None, description="For all platforms: what is done with media."
    )

    @model_validator(mode="before")
    @classmethod
    def _read_names(cls, value: Any) -> Any:  # noqa: ANN401 - JSON
        """Accept the names that `platforms` accepts, too: X, Twitter, ..."""
        if not isinstance(value, dict):
            return value
        named: dict[Any, Any] = {}
        for name, options in value.items():
            try:
                key = Platform.parse(name).value
            except (ValueError, AttributeError):
                key = name
            if key in named:
                raise ValueError(f"{key} has options under two names: keep one")
            named[key] = options
        return named

    @property
    def fit(self) -> bool:
        """Whether pictures over a limit are converted."""
        return self.media is not None and self.media.fit

    def by_platform(self) -> dict[Platform, PlatformOptions]:
        """Return the options that say something, by platform."""
        given = {platform: getattr(self, platform.value) for platform in OPTIONS}
        return {platform: options for platform, options in given.items() if options and options.as_json()}

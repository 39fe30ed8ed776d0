"""Differences between the platforms' authorization flows, as data. The shared part is in `authorization`.

Sources: docs.x.com "OAuth 2.0 Authorization Code Flow with PKCE"; developers.facebook.com "Instagram API with
Instagram Login", "Manually Build a Login Flow", "Threads: Get Access Tokens"; learn.microsoft.com/linkedin
"Authorization Code Flow"; developers.tiktok.com "Login Kit for Web"; developers.google.com "OAuth 2.0 for Web
Server Applications"; pinterest/openapi.json; docs.joinmastodon.org "OAuth". PKCE is sent where the platform
verifies it.

Bluesky has no flow here: its OAuth binds each token to a client key (DPoP) and to a published client
document, and an app password serves a self-hosted installation as well. Telegram's bots have no authorization
flow.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.facebook.capabilities import VERSION
from connectors.types import Platform


@dataclass(frozen=True, slots=True)
class Address:
    """A path, and the ConnectorSettings field with its base URL; "" = the account's own server."""

    base: str
    path: str


@dataclass(frozen=True, slots=True)
class Lengthening:
    """Meta's second step: exchange a one-hour token for a two-month token."""

    address: Address
    grant_type: str
    token_parameter: str
    by_form: bool
    """Use POST (a URL with secrets may end up in a log); it also needs the client id."""


@dataclass(frozen=True, slots=True)
class AuthorizationFlow:
    """One platform's authorization code flow."""

    label: str
    authorize: Address
    token: Address
    scopes: tuple[str, ...]
    organization_scopes: tuple[str, ...] = ()
    """Additional scopes for connecting an organization's page."""
    client_id: str = ""
    """Field of ConnectorSettings; "" = register a client with the account's own server each time."""
    client_secret: str = ""
    secret_required: bool = True
    client_parameter: str = "client_id"
    scope_separator: str = " "
    pkce: bool = False
    basic: bool = False
    """Whether a client with a secret authenticates by HTTP Basic instead of form fields."""
    authorize_parameters: Mapping[str, str] = field(default_factory=dict)
    token_parameters: Mapping[str, str] = field(default_factory=dict)
    lengthening: Lengthening | None = None
    pages: Address | None = None
    """Where a user token lists the pages it manages: each is an account with its own token."""


FLOWS: Mapping[Platform, AuthorizationFlow] = {
    Platform.TWITTER: AuthorizationFlow(
        label="X (Twitter)",
        authorize=Address("twitter_authorize_base_url", "/i/oauth2/authorize"),
        token=Address("twitter_base_url", "/2/oauth2/token"),
        scopes=("tweet.read", "tweet.write", "users.read", "media.write", "offline.access"),
        client_id="twitter_client_id",
        client_secret="twitter_client_secret",  # noqa: S106 (a setting's name)
        secret_required=False,
        pkce=True,
        basic=True,
    ),
    Platform.INSTAGRAM: AuthorizationFlow(
        label="Instagram",
        authorize=Address("instagram_authorize_base_url", "/oauth/authorize"),
        token=Address("instagram_oauth_base_url", "/oauth/access_token"),
        scopes=(
            "instagram_business_basic",
            "instagram_business_content_publish",
            "instagram_business_manage_comments",
            "instagram_business_manage_insights",
        ),
        scope_separator=",",
        client_id="instagram_client_id",
        client_secret="instagram_client_secret",  # noqa: S106 (a setting's name)
        lengthening=Lengthening(
            Address("instagram_base_url", "/access_token"),
            "ig_exchange_token",
            "access_token",
            by_form=False,
        ),
    ),
    Platform.FACEBOOK: AuthorizationFlow(
        label="Facebook",
        authorize=Address("facebook_authorize_base_url", f"{VERSION}/dialog/oauth"),
        token=Address("facebook_base_url", f"{VERSION}/oauth/access_token"),
        scopes=(
            "pages_show_list",
            "pages_manage_posts",
            "pages_manage_engagement",
            "pages_read_engagement",
            "pages_read_user_content",
            "read_insights",
        ),
        scope_separator=",",
        client_id="facebook_client_id",
        client_secret="facebook_client_secret",  # noqa: S106 (a setting's name)
        lengthening=Lengthening(
            Address("facebook_base_url", f"{VERSION}/oauth/access_token"),
            "fb_exchange_token",
            "fb_exchange_token",
            by_form=True,
        ),
        pages=Address("facebook_base_url", f"{VERSION}/me/accounts"),
    ),
    Platform.THREADS: AuthorizationFlow(
        label="Threads",
        authorize=Address("threads_authorize_base_url", "/oauth/authorize"),
        token=Address("threads_base_url", "/oauth/access_token"),
        scopes=(
            "threads_basic",
            "threads_content_publish",
            "threads_manage_insights",
            "threads_manage_replies",
            "threads_read_replies",
        ),
        scope_separator=",",
        client_id="threads_client_id",
        client_secret="threads_client_secret",  # noqa: S106 (a setting's name)
        lengthening=Lengthening(
            Address("threads_base_url", "/access_token"),
            "th_exchange_token",
            "access_token",
            by_form=False,
        ),
    ),
    Platform.LINKEDIN: AuthorizationFlow(
        label="LinkedIn",
        authorize=Address("linkedin_oauth_base_url", "/oauth/v2/authorization"),
        token=Address("linkedin_oauth_base_url", "/oauth/v2/accessToken"),
        scopes=("openid", "profile", "w_member_social"),
        organization_scopes=("w_organization_social", "r_organization_social", "rw_organization_admin"),
        client_id="linkedin_client_id",
        client_secret="linkedin_client_secret",  # noqa: S106 (a setting's name)
    ),
    Platform.TIKTOK: AuthorizationFlow(
        label="TikTok",
        authorize=Address("tiktok_authorize_base_url", "/v2/auth/authorize/"),
        token=Address("tiktok_base_url", "/v2/oauth/token/"),
        scopes=("user.info.basic", "user.info.profile", "user.info.stats", "video.list", "video.publish"),
        scope_separator=",",
        client_id="tiktok_client_key",
        client_secret="tiktok_client_secret",  # noqa: S106 (a setting's name)
        client_parameter="client_key",
    ),
    Platform.YOUTUBE: AuthorizationFlow(
        label="YouTube",
        authorize=Address("youtube_authorize_base_url", "/o/oauth2/v2/auth"),
        token=Address("youtube_oauth_base_url", "/token"),
        scopes=(
            "https://www.googleapis.com/auth/youtube.upload",
            "https://www.googleapis.com/auth/youtube.force-ssl",
        ),
        client_id="youtube_client_id",
        client_secret="youtube_client_secret",  # noqa: S106 (a setting's name)
        pkce=True,
        # Without both, Google returns no refresh token to a person who consented before.
        authorize_parameters={"access_type": "offline", "prompt": "consent"},
    ),
    Platform.PINTEREST: AuthorizationFlow(
        label="Pinterest",
        authorize=Address("pinterest_authorize_base_url", "/oauth/"),
        token=Address("pinterest_base_url", "/v5/oauth/token"),
        scopes=("boards:read", "boards:write", "pins:read", "pins:write", "user_accounts:read"),
        scope_separator=",",
        client_id="pinterest_client_id",
        client_secret="pinterest_client_secret",  # noqa: S106 (a setting's name)
        basic=True,
        token_parameters={"continuous_refresh": "true"},
    ),
    Platform.MASTODON: AuthorizationFlow(
        label="Mastodon",
        authorize=Address("", "/oauth/authorize"),
        token=Address("", "/oauth/token"),
        scopes=("read:accounts", "read:statuses", "write:statuses", "write:media"),
        pkce=True,
    ),
}

WITHOUT_FLOW: Mapping[Platform, str] = {
    Platform.BLUESKY: "Bluesky is connected with an app password: make one under Settings, Privacy and security, App "
    "passwords, and connect with the handle and that password",
    Platform.TELEGRAM: "Telegram is connected with a bot's token: @BotFather gives one; connect with "
    "the channel's name and that token",
}

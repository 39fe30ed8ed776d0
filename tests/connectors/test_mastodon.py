from connectors.types import Platform
from tests.connectors.contract import ConnectorContract


class TestMastodon(ConnectorContract):
    platform = Platform.MASTODON
    empty_listing = "[]"

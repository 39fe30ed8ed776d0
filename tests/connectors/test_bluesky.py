from connectors.types import Platform
from tests.connectors.contract import ConnectorContract


class TestBluesky(ConnectorContract):
    platform = Platform.BLUESKY

from connectors.types import Platform
from tests.connectors.contract import ConnectorContract


class TestTwitter(ConnectorContract):
    platform = Platform.TWITTER

from connectors.base import Connector
from connectors.platforms.instagram import InstagramConnector
from connectors.sandbox.world import SandboxWorld
from connectors.types import Platform, PostContent
from tests.connectors.contract import PICTURE, ConnectorContract


class TestInstagram(ConnectorContract):
    platform = Platform.INSTAGRAM
    content = PostContent(
        text="Opening at nine & closing <late> https://example.com/a?b=1&c=2", media=(PICTURE,)
    )

    async def list_comments(self, connector: Connector, _world: SandboxWorld, post_id: str) -> list[str]:
        assert isinstance(connector, InstagramConnector)
        return await connector._api.read(
            f"/v23.0/{post_id}/comments",
            lambda body: [item["text"] for item in body["data"]],
            params={"fields": "text"},
        )

from typing import Any

from connectors.types import Platform, PostContent
from tests.connectors.contract import PICTURE, ConnectorContract


class TestInstagram(ConnectorContract):
    platform = Platform.INSTAGRAM
    content = PostContent(
        text="Opening at nine & closing <late> https://example.com/a?b=1&c=2", media=(PICTURE,)
    )

    async def count_comments(self, connector: Any, world: Any, post_id: str) -> int:
        listed = await connector._api.read(f"/v23.0/{post_id}/comments", lambda body: body["data"])
        return len(listed)

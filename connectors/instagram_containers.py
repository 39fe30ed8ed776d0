"""Instagram's first step: containers that hold the media until they are published.

Sources: meta/IGUserForIGOnlyAPI.json (edge media), developers.facebook.com, "IG Container" (statuses).
Creating a container puts nothing before the world.
"""

from connectors import graph_containers
from connectors.context import ConnectorContext
from connectors.errors import ContentRejectedError
from connectors.graph_api import parse_id
from connectors.graph_containers import wait_until_processed
from connectors.http import PlatformApi
from connectors.instagram_media import LABEL, VERSION
from connectors.text import compose_text
from connectors.types import Media, PostContent


async def create_container(
    api: PlatformApi, context: ConnectorContext, user_id: str, content: PostContent
) -> str:
    """Create what the post needs (for several images: one container each, then the carousel); return its id."""
    path, caption = f"{VERSION}/{user_id}/media", compose_text(content)

    async def create(form: dict[str, str]) -> str:
        return await api.prepare("POST", path, parse_id, data=form)

    if len(content.media) == 1:
        return await create({**_form(content.media[0]), "caption": caption})
    children = [await create({**_form(item), "is_carousel_item": "true"}) for item in content.media]
    for child in children:
        if await wait_for_container(api, context, child) != "FINISHED":
            raise ContentRejectedError(f"{LABEL} could not process an image: try another file or format")
    return await create({"media_type": "CAROUSEL", "children": ",".join(children), "caption": caption})


async def read_status(api: PlatformApi, container: str) -> str:
    """Return EXPIRED, ERROR, FINISHED, IN_PROGRESS or PUBLISHED; EXPIRED also where it is gone."""
    return await graph_containers.read_status(api, f"{VERSION}/{container}", "status_code")


async def wait_for_container(api: PlatformApi, context: ConnectorContext, container: str) -> str:
    """Return the container's status as soon as it is not IN_PROGRESS.

    Raises UnavailableError after `processing_timeout`; the container stays good for 24 hours.
    """
    return await wait_until_processed(lambda: read_status(api, container), context, LABEL)


def _form(item: Media) -> dict[str, str]:
    if item.kind == "video":
        return {"media_type": "REELS", "video_url": item.url}
    return {"image_url": item.url, **({"alt_text": item.alt_text} if item.alt_text else {})}

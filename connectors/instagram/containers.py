"""Instagram containers: created first, they hold the media until published.

Source: meta/IGUserForIGOnlyAPI.json (edge media).
"""

from connectors.content.text import compose_text
from connectors.meta.api import parse_id
from connectors.meta.containers import Containers
from connectors.types import Media, PostContent


async def create_container(containers: Containers, user_id: str, content: PostContent) -> str:
    """Create the containers of a post; return the id to publish.

    For several images: one container each, then the carousel.
    """
    path, caption = f"{containers.version}/{user_id}/media", compose_text(content)

    async def create(form: dict[str, str]) -> str:
        return await containers.api.prepare("POST", path, parse_id, data=form)

    if len(content.media) == 1:
        return await create({**_form(content.media[0]), "caption": caption})
    children = [await create({**_form(item), "is_carousel_item": "true"}) for item in content.media]
    await containers.wait_for_all(children)
    return await create({"media_type": "CAROUSEL", "children": ",".join(children), "caption": caption})


def _form(item: Media) -> dict[str, str]:
    if item.kind == "video":
        return {"media_type": "REELS", "video_url": item.url}
    return {"image_url": item.url, **({"alt_text": item.alt_text} if item.alt_text else {})}

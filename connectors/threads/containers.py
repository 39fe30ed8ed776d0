"""Requests that publish on Threads: a text in one step, media in a container that is published later.

Source: threads/*.json, "Post to Threads". The path uses /me: a saved user id is sometimes rejected.
"""

from connectors.content.text import compose_text
from connectors.meta.api import parse_id
from connectors.meta.containers import Containers
from connectors.types import Media, PostContent


def build_text_form(text: str, *, link: str | None, reply_to: str | None) -> dict[str, str]:
    """Return the form fields that publish a text at once."""
    form = {"media_type": "TEXT", "text": text, "auto_publish_text": "true"}
    if link:
        form["link_attachment"] = link
    if reply_to:
        form["reply_to_id"] = reply_to
    return form


async def create_container(containers: Containers, content: PostContent) -> str:
    """Create the containers of a post; return the id to publish.

    For several images: one container each, then the carousel.
    """
    text = compose_text(content)
    words = {"text": text} if text else {}

    async def create(form: dict[str, str]) -> str:
        path = f"{containers.version}/me/threads"
        return await containers.api.prepare("POST", path, parse_id, data=form)

    if len(content.media) == 1:
        return await create({**_form(content.media[0]), **words})
    children = [await create({**_form(item), "is_carousel_item": "true"}) for item in content.media]
    await containers.wait_for_all(children)
    return await create({"media_type": "CAROUSEL", "children": ",".join(children), **words})


def _form(item: Media) -> dict[str, str]:
    alt_text = {"alt_text": item.alt_text} if item.alt_text else {}
    if item.kind == "video":
        return {"media_type": "VIDEO", "video_url": item.url, **alt_text}
    return {"media_type": "IMAGE", "image_url": item.url, **alt_text}

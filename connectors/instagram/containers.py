"""Instagram containers: created first, they hold the media until published.

Source: meta/IGUserForIGOnlyAPI.json (edge media).
"""

import orjson

from connectors.content.text import compose_text
from connectors.instagram.options import InstagramOptions
from connectors.meta.api import parse_id
from connectors.meta.containers import Containers
from connectors.types import Media, PostContent


async def create_container(containers: Containers, user_id: str, content: PostContent) -> str:
    """Create the containers of a post; return the id to publish.

    For several images: one container each, then the carousel.
    """
    path, caption = f"{containers.version}/{user_id}/media", compose_text(content)
    options = InstagramOptions.of(content)

    async def create(form: dict[str, str]) -> str:
        return await containers.api.prepare("POST", path, parse_id, data=form)

    if options.kind == "story":
        form = {**_form(content.media[0]), **_write_tags(options), "media_type": "STORIES"}
        form.pop("alt_text", None)  # not taken with a story
        return await create(form)
    more = write_options(options)
    if len(content.media) == 1:
        return await create({**_form(content.media[0]), **more, **_write_tags(options), "caption": caption})
    children = [
        await create({**_form(item), "is_carousel_item": "true", **({} if place else _write_tags(options))})
        for place, item in enumerate(content.media)
    ]
    await containers.wait_for_all(children)
    return await create(
        {"media_type": "CAROUSEL", "children": ",".join(children), "caption": caption, **more}
    )


def write_options(options: InstagramOptions) -> dict[str, str]:
    """Return the fields of a post's container that options stand for, except tagged users."""
    form: dict[str, str] = {}
    if options.collaborators:
        form["collaborators"] = orjson.dumps([name.lstrip("@") for name in options.collaborators]).decode()
    if options.location is not None:
        form["location_id"] = options.location
    if options.cover is not None:
        form["cover_url"] = options.cover
    if options.cover_time_ms is not None:
        form["thumb_offset"] = str(options.cover_time_ms)
    if options.share_to_feed is not None:
        form["share_to_feed"] = "true" if options.share_to_feed else "false"
    return form


def _write_tags(options: InstagramOptions) -> dict[str, str]:
    """Return the field of the tagged users; in a carousel it belongs to an item."""
    tags = [
        {**tag.model_dump(exclude_none=True), "username": tag.username.lstrip("@")}
        for tag in options.user_tags
    ]
    return {"user_tags": orjson.dumps(tags).decode()} if tags else {}


def _form(item: Media) -> dict[str, str]:
    if item.kind == "video":
        return {"media_type": "REELS", "video_url": item.url}
    return {"image_url": item.url, **({"alt_text": item.alt_text} if item.alt_text else {})}

"""Requests that publish on Threads: a text in one step, media in a container that is published later.

Source: threads/*.json, "Post to Threads". The path uses /me: a saved user id is sometimes rejected.
"""

import orjson

from connectors.meta.api import parse_id
from connectors.meta.containers import Containers
from connectors.parts import Part
from connectors.threads.options import ThreadsOptions
from connectors.types import Media, PostContent

_REPLY_CONTROLS = {"following": "accounts_you_follow", "mentioned": "mentioned_only"}
_ANSWERS = ("option_a", "option_b", "option_c", "option_d")


def build_text_form(
    text: str, options: ThreadsOptions, *, link: str | None, reply_to: str | None
) -> dict[str, str]:
    """Return the form fields that publish a text at once."""
    form = {"media_type": "TEXT", "text": text, "auto_publish_text": "true"}
    form |= write_options(options, first=reply_to is None)
    if link:
        form["link_attachment"] = link
    if reply_to:
        form["reply_to_id"] = reply_to
    return form


async def create_container(
    containers: Containers, part: Part, content: PostContent, *, reply_to: str | None
) -> str:
    """Create the containers of a part with media; return the id to publish.

    For several images: one container each, then the carousel. `reply_to`: id of the post that it replies to.
    """
    words = {"text": part.text} if part.text else {}
    words |= write_options(ThreadsOptions.of(content), first=reply_to is None)
    if reply_to is not None:
        words["reply_to_id"] = reply_to

    async def create(form: dict[str, str]) -> str:
        path = f"{containers.version}/me/threads"
        return await containers.api.prepare("POST", path, parse_id, data=form)

    if len(part.media) == 1:
        return await create({**_form(part.media[0]), **words})
    children = [await create({**_form(item), "is_carousel_item": "true"}) for item in part.media]
    await containers.wait_for_all(children)
    return await create({"media_type": "CAROUSEL", "children": ",".join(children), **words})


def write_options(options: ThreadsOptions, *, first: bool) -> dict[str, str]:
    """Return the form fields that options stand for; `first`: whether it is no reply."""
    form = {}
    if options.reply_control != "everyone":
        form["reply_control"] = _REPLY_CONTROLS[options.reply_control]
    if not first:
        return form
    if options.topic_tag is not None:
        form["topic_tag"] = options.topic_tag
    if options.poll is not None:
        answers = dict(zip(_ANSWERS, options.poll.choices, strict=False))
        form["poll_attachment"] = orjson.dumps(answers).decode()
    if options.quote is not None:
        form["quote_post_id"] = options.quote
    if options.location is not None:
        form["location_id"] = options.location
    if options.spoiler:
        form["is_spoiler_media"] = "true"
    return form


def _form(item: Media) -> dict[str, str]:
    alt_text = {"alt_text": item.alt_text} if item.alt_text else {}
    if item.kind == "video":
        return {"media_type": "VIDEO", "video_url": item.url, **alt_text}
    return {"media_type": "IMAGE", "image_url": item.url, **alt_text}

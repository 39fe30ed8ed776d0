"""An account's repository on its PDS: blobs and records, under keys that we choose.

Sources: lexicons com.atproto.repo.{uploadBlob,putRecord,getRecord}; tests against a real PDS. `putRecord`
with `swapRecord: null` returns 200 for an identical record and 400 InvalidSwap for a different record under
the same key.
"""

from typing import Any

from connectors.bluesky.capabilities import LABEL, MAX_IMAGE_BYTES
from connectors.bluesky.facets import build_facets
from connectors.bluesky.options import BlueskyOptions
from connectors.bluesky.records import (
    COLLECTION,
    build_gates,
    build_permalink,
    build_record,
    parse_time,
    parse_written,
)
from connectors.bluesky.responses import parse_blob, parse_found, parse_views
from connectors.errors import ContentRejectedError, GiveUpError
from connectors.http.client import PlatformApi
from connectors.http.context import ConnectorContext
from connectors.parts import Part, Progress, SentPart
from connectors.types import Account, Media, PostContent

_WEB = "https://bsky.app/profile/"


async def compose_record(
    api: PlatformApi, context: ConnectorContext, part: Part, progress: Progress
) -> dict[str, Any]:
    """Build the record of a part: resolve mentions and upload images."""

    async def resolve(handle: str) -> str | None:
        return await resolve_handle(api, handle)

    link = progress.request.content.link if part.index == 0 else None
    quote = BlueskyOptions.of(progress.request.content).quote if part.index == 0 else None
    return build_record(
        progress.request,
        part,
        facets=await build_facets(part.text, resolve, link=link),
        images=[await _upload(api, context, item) for item in part.media],
        root=progress.sent[0] if progress.sent else None,
        parent=progress.parent_of(part),
        quoted=None if quote is None else await _find_quoted(api, quote),
    )


async def _find_quoted(api: PlatformApi, address: str) -> dict[str, str]:
    """Return uri and cid of the post to quote. Raises ContentRejectedError if it does not exist."""
    uri = address
    if address.startswith(_WEB):
        actor, _, rest = address.removeprefix(_WEB).partition("/post/")
        key = rest.partition("?")[0].strip("/")
        did = actor if actor.startswith("did:") else await resolve_handle(api, actor)
        uri = f"at://{did}/{COLLECTION}/{key}"
    views = await api.read("/app.bsky.feed.getPosts", parse_views, params={"uris": [uri]})
    for view in views:
        return {"uri": str(view["uri"]), "cid": str(view["cid"])}
    raise ContentRejectedError(f"{LABEL} knows no post at {address}: it cannot be quoted")


async def put_gates(api: PlatformApi, account: Account, sent: SentPart, content: PostContent) -> None:
    """Write the records that limit replies and quotes. Repeating the call changes nothing.

    They follow the post at once: Bluesky only honours a gate of a post that exists. Raises GiveUpError, which says
    that the post is out, if the server refuses one.
    """
    created_at = sent.published_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    for collection, record in build_gates(BlueskyOptions.of(content), sent.id, created_at).items():
        body = {
            "repo": account.external_id,
            "collection": collection,
            "rkey": sent.id.rpartition("/")[2],
            "record": record,
        }
        try:
            await api.prepare("POST", "/com.atproto.repo.putRecord", parse_written, json=body)
        except (ContentRejectedError, GiveUpError) as error:
            raise GiveUpError(
                f"the post is published ({sent.permalink}), but {LABEL} refused to limit who may reply or quote: "
                f"{error.message}",
                status=error.status,
                platform_code=error.platform_code,
            ) from error


async def lacks_gates(api: PlatformApi, account: Account, sent: SentPart, content: PostContent) -> bool:
    """Return whether a record that limits replies or quotes of a published post is still to be written."""
    for collection in build_gates(BlueskyOptions.of(content), sent.id, ""):
        params = {
            "repo": account.external_id,
            "collection": collection,
            "rkey": sent.id.rpartition("/")[2],
        }
        try:
            await api.read("/com.atproto.repo.getRecord", parse_found, params=params)
        except GiveUpError as error:
            if error.platform_code != "RecordNotFound":
                raise
            return True
    return False


async def put_record(api: PlatformApi, account: Account, key: str, record: dict[str, Any]) -> SentPart:
    """Write the record under its key, which publishes the post. Repeating the call changes nothing."""
    body = {
        "repo": account.external_id,
        "collection": COLLECTION,
        "rkey": key,
        "record": record,
        "swapRecord": None,
    }
    try:
        uri, cid = await api.publish("/com.atproto.repo.putRecord", parse_written, json=body)
    except ContentRejectedError as error:
        if error.platform_code != "InvalidSwap":
            raise
        sent = await find_record(api, account, key, str(record["text"]))
        if sent is None:
            raise
        return sent
    return _sent(account, uri, cid, record)


async def find_record(
    api: PlatformApi, account: Account, key: str, text: str | None = None
) -> SentPart | None:
    """Return the record under `key`, or None. Raises GiveUpError if the record's text differs from `text`."""
    params = {"repo": account.external_id, "collection": COLLECTION, "rkey": key}
    try:
        uri, cid, value = await api.read("/com.atproto.repo.getRecord", parse_found, params=params)
    except GiveUpError as error:
        if error.platform_code != "RecordNotFound":
            raise
        return None
    if text is not None and value.get("text") != text:
        raise GiveUpError(f"{LABEL} holds another post under the key {key}: schedule this post again")
    return _sent(account, uri, cid, value)


def _sent(account: Account, uri: str, cid: str, record: dict[str, Any]) -> SentPart:
    return SentPart(uri, build_permalink(uri, account.handle), parse_time(record["createdAt"]), cid)


async def _upload(api: PlatformApi, context: ConnectorContext, item: Media) -> dict[str, Any]:
    async with context.media.fetch(item, kind="image", max_bytes=MAX_IMAGE_BYTES) as media:
        blob = await api.prepare(
            "POST",
            "/com.atproto.repo.uploadBlob",
            parse_blob,
            content=media.file.read(),
            headers={"Content-Type": media.content_type},
            timeout=context.settings.upload_timeout,
        )
    return {"image": blob, "alt": item.alt_text or ""}


async def resolve_handle(api: PlatformApi, handle: str) -> str | None:
    """Return the DID of a handle; None = there is no such account."""
    try:
        return await api.read(
            "/com.atproto.identity.resolveHandle", lambda body: str(body["did"]), params={"handle": handle}
        )
    except GiveUpError:
        return None  # the handle does not exist: it stays plain text

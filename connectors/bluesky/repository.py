"""An account's repository on its PDS: blobs and records, under keys that we choose.

Sources: lexicons com.atproto.repo.{uploadBlob,putRecord,getRecord}; tests against a real PDS. `putRecord`
with `swapRecord: null` returns 200 for an identical record and 400 InvalidSwap for a different record under
the same key.
"""

from typing import Any

from connectors.bluesky.capabilities import LABEL, MAX_IMAGE_BYTES
from connectors.bluesky.facets import build_facets
from connectors.bluesky.records import (
    COLLECTION,
    build_permalink,
    build_record,
    parse_time,
    parse_written,
)
from connectors.bluesky.responses import parse_blob, parse_found
from connectors.errors import ContentRejectedError, GiveUpError
from connectors.http.client import PlatformApi
from connectors.http.context import ConnectorContext
from connectors.parts import Part, Progress, SentPart
from connectors.types import Account, Media


async def compose_record(
    api: PlatformApi, context: ConnectorContext, part: Part, progress: Progress
) -> dict[str, Any]:
    """Build the record of a part: resolve mentions and upload images."""

    async def resolve(handle: str) -> str | None:
        return await _resolve(api, handle)

    media = progress.request.content.media if part.index == 0 else ()
    link = progress.request.content.link if part.index == 0 else None
    return build_record(
        progress.request,
        part,
        facets=await build_facets(part.text, resolve, link=link),
        images=[await _upload(api, context, item) for item in media],
        root=progress.sent[0] if progress.sent else None,
        parent=progress.parent_of(part),
    )


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
        raise GiveUpError(f"{LABEL} holds another post under the key {key}: schedule this one anew")
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


async def _resolve(api: PlatformApi, handle: str) -> str | None:
    try:
        return await api.read(
            "/com.atproto.identity.resolveHandle", lambda body: str(body["did"]), params={"handle": handle}
        )
    except GiveUpError:
        return None  # the handle does not exist: it stays plain text

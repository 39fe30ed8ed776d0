"""Edit a published post: replace its record under the same key, only if it is the one that was just read.

Sources: lexicon com.atproto.repo.putRecord (swapRecord), tests against a real PDS. The record's cid changes, its
address does not; likes, reposts and replies keep pointing at the address. createdAt, embeds and the place in a
thread stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.bluesky.capabilities import LABEL
from connectors.bluesky.facets import build_facets
from connectors.bluesky.options import BlueskyOptions
from connectors.bluesky.records import COLLECTION, build_gates, build_permalink, parse_time, parse_written
from connectors.bluesky.repository import put_gates, resolve_handle
from connectors.bluesky.responses import parse_found
from connectors.deletion import ignore
from connectors.errors import ContentRejectedError, GiveUpError
from connectors.parts import SentPart

if TYPE_CHECKING:
    from connectors.http.client import PlatformApi
    from connectors.parts import Part
    from connectors.types import Account, EditRequest

_TRIES = 3
"""A record that changed between reading and writing is read again so many times."""


async def edit_record(api: PlatformApi, account: Account, uri: str, part: Part, request: EditRequest) -> None:
    """Replace text, facets, languages and labels of a record, unless it has them already."""
    key = uri.rpartition("/")[2]
    where = {"repo": account.external_id, "collection": COLLECTION, "rkey": key}
    for tries_left in reversed(range(_TRIES)):
        _, cid, value = await api.read("/com.atproto.repo.getRecord", parse_found, params=where)
        record = await _rewrite(api, value, part, request)
        if record == value:
            break
        try:
            await api.prepare(
                "POST",
                "/com.atproto.repo.putRecord",
                parse_written,
                json={**where, "record": record, "swapRecord": cid},
            )
        except ContentRejectedError as error:
            if error.platform_code != "InvalidSwap":
                raise
            if not tries_left:
                raise GiveUpError(
                    f"{LABEL}: the post was changed by another program at the same moment: repeat the edit",
                    platform_code="InvalidSwap",
                ) from error
            continue
        break
    if part.index == 0:
        await _edit_gates(api, account, uri, str(value["createdAt"]), request)


async def _rewrite(
    api: PlatformApi, value: dict[str, Any], part: Part, request: EditRequest
) -> dict[str, Any]:
    content = request.after

    async def resolve(handle: str) -> str | None:
        return await resolve_handle(api, handle)

    link = content.link if part.index == 0 else None
    options = BlueskyOptions.of(content)
    values = [{"val": label} for label in options.labels]
    labels = {"$type": "com.atproto.label.defs#selfLabels", "values": values}
    wanted: dict[str, Any] = {
        "text": part.text,
        "facets": await build_facets(part.text, resolve, link=link),
        "langs": list(options.languages),
        "labels": labels if values else None,
    }
    record = {name: item for name, item in value.items() if name not in wanted}
    return record | {name: item for name, item in wanted.items() if item or name == "text"}


async def _edit_gates(
    api: PlatformApi, account: Account, uri: str, created_at: str, request: EditRequest
) -> None:
    """Write the limits of replies and quotes, and remove those that are no longer wanted."""
    gates = build_gates(BlueskyOptions.of(request.after), uri, created_at)
    old = [build_gates(BlueskyOptions.of(content), uri, created_at) for content in request.before]
    if all(gates == one for one in old):
        return
    sent = SentPart(uri, build_permalink(uri, account.handle), parse_time(created_at))
    await put_gates(api, account, sent, request.after)
    for collection in {name for one in old for name in one} - gates.keys():
        body = {"repo": account.external_id, "collection": collection, "rkey": uri.rpartition("/")[2]}
        await api.prepare("POST", "/com.atproto.repo.deleteRecord", ignore, json=body)

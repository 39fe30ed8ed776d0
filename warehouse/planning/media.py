"""Media of a post: resolve uploads and their kinds, and check that each platform can download them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connectors.capabilities import get_capabilities
from connectors.content.addresses import may_be_public
from connectors.content.validation import is_web_address
from connectors.types import FollowUp, Media, Platform
from warehouse.errors import InvalidInputError
from warehouse.store.posts.media import find_uploads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warehouse.planning.wish import Variant
    from warehouse.planning.wording import Wording
    from warehouse.store.accounts.target_accounts import AnyAccount
    from warehouse.store.posts.idempotency import StoreSession
    from warehouse.store.posts.media import MediaUpload


_SHOWN = 200


def resolve_uploads(session: StoreSession, workspace_id: str, wording: Wording) -> Wording:
    """Return the wording with each upload's real kind instead of the declared one.

    Raises InvalidInputError (code unknown_upload) for an upload that does not exist in this workspace.
    """
    lists = list_media(wording)
    wanted = {item.upload_id for items in lists.values() for item in items if item.upload_id is not None}
    if not wanted:
        return wording
    known = find_uploads(session, workspace_id, wanted)
    resolved = {pointer: _with_kinds(items, known, pointer) for pointer, items in lists.items()}

    def in_parts(thread: Sequence[FollowUp], place: str) -> list[FollowUp]:
        return [_with_media(part, resolved[f"{place}/{number}/media"]) for number, part in enumerate(thread)]

    variants = {}
    for platform, one in wording.variants.items():
        place = f"/variants/{platform}"
        new: dict[str, Any] = {}
        if one.media is not None:
            new["media"] = resolved[f"{place}/media"]
        if one.thread is not None:
            new["thread"] = in_parts(one.thread, f"{place}/thread")
        if one.first_comment is not None:
            new["first_comment"] = _with_media(one.first_comment, resolved[f"{place}/first_comment/media"])
        variants[platform] = one.model_copy(update=new)
    comment = wording.first_comment
    return replace(
        wording,
        media=resolved["/media"],
        thread=in_parts(wording.thread, "/thread"),
        first_comment=None if comment is None else _with_media(comment, resolved["/first_comment/media"]),
        variants=variants,
    )


def _with_media(part: FollowUp, media: Sequence[Media]) -> FollowUp:
    return part.model_copy(update={"media": tuple(media)})


def require_public(wording: Wording, *, allow_private: bool) -> None:
    """Raise InvalidInputError for media at no web address, or at a literal address on a private network.

    Names are resolved, and their addresses checked, when the media are downloaded.
    """
    named = {
        f"{pointer}/{place}/url": item.url
        for pointer, items in list_media(wording).items()
        for place, item in enumerate(items)
        if item.upload_id is None
    }
    for platform, options in wording.options.items():
        named |= _option_media(platform, options, f"/options/{platform}")
    for platform, one in wording.variants.items():
        named |= _option_media(platform, one.options or {}, f"/variants/{platform}/options")
    errors = []
    for pointer, url in named.items():
        problem = _find_problem(url, allow_private=allow_private)
        if problem is not None:
            errors.append({"pointer": pointer, "code": problem[0], "detail": problem[1]})
    if errors:
        raise InvalidInputError.from_entries(errors)


def _find_problem(url: str, *, allow_private: bool) -> tuple[str, str] | None:
    """Return the code and the text of what is wrong with the URL of media; None = nothing."""
    shown = repr(url if len(url) <= _SHOWN else f"{url[:_SHOWN]}...")
    if not is_web_address(url):
        return "invalid_media_url", f"{shown} is not a web address: media are given by https:// address"
    if not allow_private and not may_be_public(urlsplit(url).hostname or ""):
        return "private_media_url", (
            f"{shown} is on a private network: give a public address, upload the file, or set "
            "SOCIALFLOW_ALLOW_PRIVATE_INSTANCES=true"
        )
    return None


def _option_media(platform: Platform, options: Mapping[str, Any], pointer: str) -> dict[str, str]:
    """Return the URLs of media that options name, by JSON pointer."""
    media = get_capabilities(platform).options.model_validate(options).list_media()
    return {f"{pointer}/{name}": item.url for name, item in media.items()}


def list_media(wording: Wording) -> dict[str, Sequence[Media]]:
    """Return the media of all parts of the post and of its variants, by JSON pointer."""
    found: dict[str, Sequence[Media]] = {}
    said: list[tuple[str, Wording | Variant]] = [("", wording)]
    said += [(f"/variants/{platform}", one) for platform, one in wording.variants.items()]
    for place, one in said:
        found[f"{place}/media"] = one.media or ()
        for number, part in enumerate(one.thread or ()):
            found[f"{place}/thread/{number}/media"] = part.media
        if one.first_comment is not None:
            found[f"{place}/first_comment/media"] = one.first_comment.media
    return found


def require_reachable(accounts: Sequence[AnyAccount], wording: Wording, public_url: str | None) -> None:
    """Raise InvalidInputError if a platform downloads media by URL and uploads have no public URL."""
    if public_url is not None or not any(list_media(wording).values()):
        return
    errors: list[dict[str, Any]] = []
    for platform in dict.fromkeys(Platform(row.platform) for row in accounts):
        capabilities = get_capabilities(platform)
        media = wording.for_platform(platform).all_media
        if any(item.upload_id is not None and item.kind in capabilities.fetches_media for item in media):
            detail = (
                f"{platform}: {capabilities.label} downloads media by URL, and uploads have no public URL: set "
                "SOCIALFLOW_MEDIA_PUBLIC_URL, or give the URL of the media"
            )
            errors.append(
                {
                    "pointer": "/media",
                    "code": "no_public_address",
                    "detail": detail,
                    "platform": platform.value,
                }
            )
    if errors:
        raise InvalidInputError.from_entries(errors)


def _with_kinds(items: Sequence[Media], known: Mapping[str, MediaUpload], pointer: str) -> list[Media]:
    found = []
    for place, item in enumerate(items):
        if item.upload_id is None:
            found.append(item)
            continue
        upload = known.get(item.upload_id)
        if upload is None:
            raise InvalidInputError(
                f"there is no upload {item.upload_id} in this workspace: upload the file first",
                field=f"{pointer.removeprefix('/')}/{place}/url",
                code="unknown_upload",
            )
        found.append(item.model_copy(update={"kind": upload.kind}))
    return found

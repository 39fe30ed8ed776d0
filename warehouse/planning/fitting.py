"""Whether uploads fit each platform's limits, and what is converted where the post asks for it (options.media.fit).

Of an upload, type, bytes, pixels and pages are known when the post is written; of media at URLs when they are sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.capabilities import get_capabilities
from connectors.content.media_types import UNSENT_TYPES
from connectors.content.pictures import LARGEST_PIXELS, LARGEST_SOURCE_BYTES, PictureShape
from connectors.types import Platform
from warehouse.errors import InvalidInputError
from warehouse.planning.media import list_media
from warehouse.store.posts.media import find_uploads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connectors.content.capabilities import Capabilities
    from connectors.types import Media
    from warehouse.planning.wording import Wording
    from warehouse.store.accounts.target_accounts import AnyAccount
    from warehouse.store.posts.idempotency import StoreSession
    from warehouse.store.posts.media import MediaUpload

_REMEDY = "make it smaller, or set options.media.fit to have it converted"


@dataclass(frozen=True, slots=True)
class Misfit:
    """One upload that a platform does not take as it is."""

    platform: Platform
    pointer: str
    code: str
    detail: str
    is_converted: bool
    """Whether it is converted when it is sent; False = the post is refused."""

    def as_entry(self) -> dict[str, Any]:
        """Return it as an entry of InvalidInputError."""
        detail = f"{self.platform}: {self.detail}"
        return {"pointer": self.pointer, "code": self.code, "detail": detail, "platform": self.platform.value}


def find_misfits(
    session: StoreSession, workspace_id: str, platforms: Sequence[Platform], wording: Wording
) -> list[Misfit]:
    """Return all uploads that do not fit a platform, those that are converted too."""
    if not any(list_media(wording).values()):
        return []
    media = {platform: _list_media(platform, wording) for platform in dict.fromkeys(platforms)}
    wanted = {
        item.upload_id for found in media.values() for item in found.values() if item.upload_id is not None
    }
    uploads = find_uploads(session, workspace_id, wanted)
    misfits: list[Misfit] = []
    for platform, found in media.items():
        capabilities = get_capabilities(platform)
        for pointer, item in found.items():
            upload = uploads.get(item.upload_id or "")
            if upload is not None and upload.kind in capabilities.media_kinds:
                misfits += _judge(capabilities, pointer, upload, fit=wording.fit)
    return misfits


def require_fitting(
    session: StoreSession, workspace_id: str, accounts: Sequence[AnyAccount], wording: Wording
) -> None:
    """Raise InvalidInputError for uploads that a platform does not take and that are not converted."""
    platforms = [Platform(row.platform) for row in accounts]
    refused = [
        one.as_entry()
        for one in find_misfits(session, workspace_id, platforms, wording)
        if not one.is_converted
    ]
    if refused:
        raise InvalidInputError.from_entries(refused)


def _list_media(platform: Platform, wording: Wording) -> Mapping[str, Media]:
    """Return the media of all parts for one platform, by JSON pointer into the request."""
    content, variant = wording.for_platform(platform), wording.variants.get(platform)

    def place(name: str) -> str:
        given = variant is not None and getattr(variant, name) is not None
        return f"/variants/{platform}/{name}" if given else f"/{name}"

    found = {f"{place('media')}/{number}": item for number, item in enumerate(content.media)}
    for index, part in enumerate(content.thread):
        found |= {f"{place('thread')}/{index}/media/{n}": item for n, item in enumerate(part.media)}
    if content.first_comment is not None:
        media = enumerate(content.first_comment.media)
        found |= {f"{place('first_comment')}/media/{number}": item for number, item in media}
    return found


def _judge(capabilities: Capabilities, pointer: str, upload: MediaUpload, *, fit: bool) -> Iterator[Misfit]:
    problem = _find_problem(capabilities, upload)
    if problem is None:
        return
    code, words = problem
    name, label = upload.filename, capabilities.label
    if upload.kind != "image":
        remedy = "split it" if code == "too_many_pages" else "make it smaller"
        yield Misfit(capabilities.platform, pointer, code, f"{name} {words}: {remedy}", is_converted=False)
        return
    if not fit:
        yield Misfit(capabilities.platform, pointer, code, f"{name} {words}: {_REMEDY}", is_converted=False)
        return
    hindrance = _find_hindrance(upload)
    if hindrance is not None:
        detail = f"{name} {words}, and {hindrance}: make it smaller"
        yield Misfit(capabilities.platform, pointer, "cannot_be_converted", detail, is_converted=False)
        return
    detail = f"{name} {words}; it is converted for {label}"
    yield Misfit(capabilities.platform, pointer, code, detail, is_converted=True)


def _find_problem(capabilities: Capabilities, upload: MediaUpload) -> tuple[str, str] | None:
    """Return the code and the words of what the platform does not take; None = it fits."""
    label = capabilities.label
    most: Mapping[str, int | None] = {
        "image": capabilities.max_image_bytes,
        "video": capabilities.max_video_bytes,
        "document": capabilities.max_document_bytes,
    }
    limit = None if capabilities.limits_by_instance else most[upload.kind]
    if limit is not None and upload.size > limit:
        return "media_too_large", f"has {upload.size:,} bytes, {label} takes {limit:,}"
    pages = capabilities.max_document_pages
    if pages is not None and upload.pages is not None and upload.pages > pages:
        return "too_many_pages", f"has {upload.pages} pages, {label} takes {pages}"
    if upload.kind != "image":
        return None
    rule = capabilities.fit_rule
    if upload.content_type in UNSENT_TYPES - rule.types:
        return "media_type_unsupported", f"is {upload.content_type}, which {label} does not take"
    shape = _shape_of(upload)
    if shape is None or capabilities.limits_by_instance or rule.max_pixels is None:
        return None
    if shape.pixels > rule.max_pixels:
        return (
            "media_too_large",
            f"has {shape.width} x {shape.height} pixels, {label} takes {rule.max_pixels:,} in all",
        )
    return None


def _find_hindrance(upload: MediaUpload) -> str | None:
    """Return why a picture is not converted; None = nothing hinders it."""
    shape = _shape_of(upload)
    if shape is None:
        return "its header cannot be read"
    if shape.is_animated:
        return "an animation would become a still picture"
    if shape.pixels > LARGEST_PIXELS or upload.size > LARGEST_SOURCE_BYTES:
        return f"at most {LARGEST_PIXELS:,} pixels and {LARGEST_SOURCE_BYTES:,} bytes are converted"
    return None


def _shape_of(upload: MediaUpload) -> PictureShape | None:
    if upload.width is None or upload.height is None:
        return None
    return PictureShape(upload.width, upload.height, bool(upload.is_animated))

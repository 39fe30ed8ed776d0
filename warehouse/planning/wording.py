"""Content of a post per platform, and validation against each platform's limits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from connectors.capabilities import get_capabilities, validate_content
from connectors.content.marks import count_marks
from connectors.content.validation import is_web_address
from connectors.types import FollowUp, Media, Platform, PostContent
from warehouse.errors import InvalidInputError
from warehouse.planning.option_texts import ALL_PLATFORMS
from warehouse.planning.wish import MAX_CONTENT, Variant
from warehouse.platforms import parse_platform
from warehouse.shapes import describe_problem as describe_shape_problem
from warehouse.store.posts.duplicates import Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from connectors.content.capabilities import Capabilities, ContentProblem
    from warehouse.planning.wish import PostTemplate
    from warehouse.store.accounts.target_accounts import AnyAccount
    from warehouse.store.models import Post
    from warehouse.store.schedules.recurrence_models import Recurrence


@dataclass(frozen=True, slots=True)
class Wording:
    """The common content of a post and its variants per platform."""

    content: str
    media: Sequence[Media] = ()
    link: str | None = None
    thread: Sequence[FollowUp] = ()
    first_comment: FollowUp | None = None
    variants: Mapping[Platform, Variant] = field(default_factory=dict)
    options: Mapping[Platform, Mapping[str, Any]] = field(default_factory=dict)
    """Given options per platform, as JSON."""
    fit: bool = False
    """Whether pictures over a platform's limits are converted."""

    def for_platform(self, platform: Platform) -> PostContent:
        """Return the exact content for accounts of the platform."""
        variant = self.variants.get(platform) or Variant()
        return PostContent(
            text=self.content if variant.content is None else variant.content,
            media=tuple(self.media if variant.media is None else variant.media),
            link=self.link if variant.link is None else variant.link,
            thread=tuple(self.thread if variant.thread is None else variant.thread),
            first_comment=self.first_comment if variant.first_comment is None else variant.first_comment,
            fit=self.fit,
            options={**self.options.get(platform, {}), **(variant.options or {})},
        )

    def as_details(self) -> dict[str, Any]:
        """Return everything except the common text as JSON, as stored in `posts.details`."""
        return {
            "media": [item.model_dump(mode="json") for item in self.media],
            "link": self.link,
            "thread": [part.model_dump(mode="json") for part in self.thread],
            "first_comment": None
            if self.first_comment is None
            else self.first_comment.model_dump(mode="json"),
            "options": {
                **{platform.value: dict(options) for platform, options in self.options.items()},
                **({"media": {"fit": True}} if self.fit else {}),
            },
            "variants": {
                platform.value: variant.model_dump(mode="json", exclude_none=True)
                for platform, variant in self.variants.items()
            },
        }


def read_wording(wish: PostTemplate, content: str, known: Wording | None = None) -> Wording:
    """Return the wording of a request; with `known`, omitted fields keep their value.

    Raises InvalidInputError for a variant of an unknown platform, and for a link that is not a web URL.
    """
    fresh = Wording(
        content=content,
        media=wish.media,
        link=wish.link,
        thread=wish.thread,
        first_comment=wish.first_comment,
        variants=_read_variants(wish.variants),
        options={platform: options.as_json() for platform, options in wish.options.by_platform().items()},
        fit=wish.options.fit,
    )
    _require_web_addresses(fresh)
    if known is None:
        return fresh
    given = wish.model_fields_set & {"media", "link", "thread", "first_comment", "options", "variants"}
    if "options" in given:
        given.add("fit")
    return replace(known, content=content, **{name: getattr(fresh, name) for name in given})


def _read_variants(given: Mapping[str, Variant]) -> dict[Platform, Variant]:
    """Return the variants by platform, their options checked. Raises InvalidInputError."""
    variants = {}
    for name, variant in given.items():
        platform = parse_platform(name, field=f"variants/{name}")
        options = variant.options
        if options:
            read = read_options(platform, options, field=f"variants/{name}/options")
            variants[platform] = variant.model_copy(update={"options": read})
        else:
            variants[platform] = variant
    return variants


def read_options(platform: Platform, given: Mapping[str, Any], *, field: str) -> dict[str, Any]:
    """Return options of one platform as JSON. Raises InvalidInputError with one entry per invalid option."""
    try:
        return get_capabilities(platform).options.model_validate(given).as_json()
    except ValidationError as error:
        path = field.split("/")
        entries = [describe_shape_problem(item, [*path, *item["loc"]]) for item in error.errors()]
        raise InvalidInputError.from_entries(entries) from None


def _require_web_addresses(wording: Wording) -> None:
    """Check all links, also for platforms without a connected account."""
    links = [("link", wording.link)]
    links += [(f"variants/{name}/link", variant.link) for name, variant in wording.variants.items()]
    for place, link in links:
        if link and not is_web_address(link):
            raise InvalidInputError(
                f"{link[:100]!r} is not a web address: start it with https://",
                field=place,
                code="invalid_link",
            )


def stored_wording(post: Post | Recurrence) -> Wording:
    """Return the wording of a stored post, or of the posts of a stored rule."""
    details = post.details
    comment, options = details.get("first_comment"), details.get("options") or {}
    return Wording(
        content=post.content,
        media=[Media.model_validate(item) for item in details.get("media", ())],
        link=details.get("link"),
        thread=[FollowUp.model_validate(part) for part in details.get("thread", ())],
        first_comment=None if comment is None else FollowUp.model_validate(comment),
        options={Platform(name): options for name, options in options.items() if name != ALL_PLATFORMS},
        fit=bool(options.get(ALL_PLATFORMS, {}).get("fit")),
        variants={
            Platform(name): Variant.model_validate(variant)
            for name, variant in details.get("variants", {}).items()
        },
    )


def require_length(content: str) -> None:
    """Raise InvalidInputError for common content longer than MAX_CONTENT."""
    if len(content) > MAX_CONTENT:
        raise InvalidInputError(
            f"the content has {len(content)} characters, the limit is {MAX_CONTENT}: shorten it by "
            f"{len(content) - MAX_CONTENT}, or use variants for platforms with a higher limit",
            field="content",
            code="content_too_long",
        )


def make_targets(
    accounts: Sequence[AnyAccount], wording: Wording, *, due_later: bool, is_kept: bool = False
) -> tuple[list[Target], list[str]]:
    """Return each account with its content, and warnings. Raises InvalidInputError for content a platform refuses.

    A missing picture on a platform that requires one is only a warning while there is time to add it (`due_later`),
    because the picture is often added last. Of a draft that is kept as it is (`is_kept`), everything is a warning.
    """
    targets = [Target(row, wording.for_platform(Platform(row.platform))) for row in accounts]
    entries, warnings = [], []
    for platform, text_limit in dict.fromkeys((Platform(row.platform), row.text_limit) for row in accounts):
        for entry in find_entries(platform, wording, text_limit=text_limit):
            if entry["code"] == "media_required" and due_later:
                warnings.append(f"{entry['detail']} (before the post's time)")
            elif is_kept:
                warnings.append(str(entry["detail"]))
            else:
                entries.append(entry)
    if entries:
        raise InvalidInputError.from_entries(entries)
    return targets, warnings


def find_entries(platform: Platform, wording: Wording, *, text_limit: int | None) -> list[dict[str, Any]]:
    """Return everything that the platform would refuse, as entries of InvalidInputError."""
    content = wording.for_platform(platform)
    capabilities = get_capabilities(platform, text_limit=text_limit)
    return [
        _to_entry(capabilities, content, wording, problem)
        for problem in validate_content(platform, content, text_limit=text_limit)
    ]


def describe_problem(platform: Platform, wording: Wording, problem: ContentProblem) -> dict[str, Any]:
    """Return one problem of a platform's content as an entry of InvalidInputError."""
    return _to_entry(get_capabilities(platform), wording.for_platform(platform), wording, problem)


def is_due_later(scheduled_at: datetime | None, now: datetime, *, is_draft: bool) -> bool:
    """Return whether a post can still be completed before it is published."""
    return is_draft or (scheduled_at is not None and scheduled_at > now)


def count_text(platform: Platform, content: PostContent) -> int:
    """Return the length of the content by the platform's counting rules."""
    capabilities = get_capabilities(platform)
    return capabilities.count_text(capabilities.write_text(content))


def _pointer_of(platform: Platform, name: str, wording: Wording) -> str:
    """Return where the request has the field: in the variant of the platform, or in the post."""
    variant = wording.variants.get(platform)
    if name.startswith("options/"):
        option = name.split("/")[1]
        in_variant = variant is not None and option in (variant.options or {})
        place = f"variants/{platform}/options" if in_variant else f"options/{platform}"
        return f"/{place}/{name.removeprefix('options/')}"
    in_variant = variant is not None and getattr(variant, name.partition("/")[0], None) is not None
    return f"/variants/{platform}/{name}" if in_variant else f"/{name}"


def _to_entry(
    capabilities: Capabilities, content: PostContent, wording: Wording, problem: ContentProblem
) -> dict[str, Any]:
    platform = capabilities.platform
    name = "content" if problem.field == "text" else problem.field
    entry: dict[str, Any] = {
        "pointer": _pointer_of(platform, name, wording),
        "code": problem.code,
        "detail": f"{platform}: {problem.detail}",
        "platform": platform.value,
    }
    if problem.code == "text_too_long" and problem.field == "text":
        entry |= {
            "count": count_text(platform, content),
            "limit": capabilities.limit_of(content),
            "unit": capabilities.text_unit,
        }
    for limit in capabilities.count_limits:
        if problem.code == f"too_many_{limit.mark}" and problem.field == "text":
            count = count_marks(capabilities.write_text(content), limit.mark)
            entry |= {"count": count, "limit": limit.most, "unit": limit.mark}
    return entry

"""From an author's request to what the store keeps: who gets what when, and what a platform would refuse."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from api.http.errors import ApiError
from api.posts.schemas import MAX_CONTENT, Variant
from connectors.capabilities import get_capabilities, validate_content
from connectors.types import Media, Platform, PostContent
from warehouse.errors import InvalidInputError
from warehouse.store.posts.duplicates import Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from connectors.content.capabilities import Capabilities, ContentProblem
    from warehouse.store.accounts.target_accounts import AnyAccount
    from warehouse.store.models import Post
    from warehouse.store.schedules.recurrence_models import Recurrence


@dataclass(frozen=True, slots=True)
class Wording:
    """What a post says: the common content, and what single platforms get instead."""

    content: str
    media: Sequence[Media] = ()
    link: str | None = None
    thread: Sequence[str] = ()
    first_comment: str | None = None
    variants: Mapping[Platform, Variant] = field(default_factory=dict)

    def for_platform(self, platform: Platform) -> PostContent:
        """Return exactly what is sent to accounts of the platform."""
        variant = self.variants.get(platform) or Variant()
        return PostContent(
            text=self.content if variant.content is None else variant.content,
            media=tuple(self.media if variant.media is None else variant.media),
            link=self.link if variant.link is None else variant.link,
            thread=tuple(self.thread if variant.thread is None else variant.thread),
            first_comment=self.first_comment if variant.first_comment is None else variant.first_comment,
        )

    def as_details(self) -> dict[str, Any]:
        """Return all but the common text as JSON, as `posts.details` keeps it."""
        return {
            "media": [item.model_dump(mode="json") for item in self.media],
            "link": self.link,
            "thread": list(self.thread),
            "first_comment": self.first_comment,
            "variants": {
                platform.value: variant.model_dump(mode="json", exclude_none=True)
                for platform, variant in self.variants.items()
            },
        }


def wording_of(post: Post | Recurrence) -> Wording:
    """Return what a stored post, or each post of a rule, says."""
    details = post.details
    return Wording(
        content=post.content,
        media=[Media.model_validate(item) for item in details.get("media", ())],
        link=details.get("link"),
        thread=details.get("thread", ()),
        first_comment=details.get("first_comment"),
        variants={
            Platform(name): Variant.model_validate(variant)
            for name, variant in details.get("variants", {}).items()
        },
    )


def parse_platforms(names: Iterable[str], *, field_name: str = "platforms") -> list[Platform]:
    """Return the platforms called so, each once. Raises InvalidInputError: unknown, or without a connector yet."""
    found: dict[Platform, None] = {}
    for number, name in enumerate(names):
        found[parse_platform(name, field=f"{field_name}/{number}")] = None
    return list(found)


def parse_platform(name: str, *, field: str = "platform") -> Platform:
    """Return the platform called `name`. Raises InvalidInputError that lists what there is."""
    try:
        return Platform.parse(name)
    except ValueError as error:
        raise InvalidInputError(str(error), field=field, code="unknown_platform") from None


def parse_variants(variants: Mapping[str, Variant]) -> dict[Platform, Variant]:
    """Return the variants by platform. Raises InvalidInputError for an unknown platform."""
    return {parse_platform(name, field=f"variants/{name}"): variant for name, variant in variants.items()}


def require_length(content: str) -> None:
    """Raise InvalidInputError for a common content over the API's own limit."""
    if len(content) > MAX_CONTENT:
        raise InvalidInputError(
            f"the content has {len(content)} characters, at most {MAX_CONTENT} are taken: shorten it by "
            f"{len(content) - MAX_CONTENT}, or use variants for platforms that take more",
            field="content",
            code="content_too_long",
        )


def make_targets(
    accounts: Sequence[AnyAccount], wording: Wording, *, due_later: bool
) -> tuple[list[Target], list[str]]:
    """Return each account with what it is to say, and warnings. Raises an ApiError for what would be refused.

    A missing picture, where a platform demands one, is only a warning while there is time to add it
    (`due_later`): everything else can be said right at once, a picture often comes last.
    """
    targets = [Target(row, wording.for_platform(Platform(row.platform))) for row in accounts]
    errors, warnings = [], []
    for platform, text_limit in dict.fromkeys((Platform(row.platform), row.text_limit) for row in accounts):
        content = wording.for_platform(platform)
        for problem in validate_content(platform, content, text_limit=text_limit):
            if problem.code == "media_required" and due_later:
                warnings.append(f"{platform}: {problem.detail} (before the post's time)")
            else:
                capabilities = get_capabilities(platform, text_limit=text_limit)
                errors.append(_to_entry(capabilities, content, wording, problem))
    if errors:
        raise ApiError(422, errors[0]["code"], errors[0]["detail"], errors=errors)
    return targets, warnings


def has_time(scheduled_at: datetime | None, now: datetime, *, is_draft: bool) -> bool:
    """Tell whether a post can still be completed before it goes out."""
    return is_draft or (scheduled_at is not None and scheduled_at > now)


def _to_entry(
    capabilities: Capabilities, content: PostContent, wording: Wording, problem: ContentProblem
) -> dict[str, Any]:
    platform = capabilities.platform
    name = "content" if problem.field == "text" else problem.field
    variant = wording.variants.get(platform)
    of_variant = variant is not None and getattr(variant, name, None) is not None
    entry: dict[str, Any] = {
        "pointer": f"/variants/{platform}/{name}" if of_variant else f"/{name}",
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
    return entry


def count_text(platform: Platform, content: PostContent) -> int:
    """Return the length of what is sent, as the platform counts."""
    capabilities = get_capabilities(platform)
    return capabilities.count_text(capabilities.write_text(content))

"""Validate a post and collect everything about it: per account the exact texts, counts, limits and problems."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connectors.capabilities import get_capabilities
from connectors.types import FollowUp, Platform
from warehouse.errors import ConflictError, InvalidInputError
from warehouse.planning.fitting import find_misfits
from warehouse.planning.media import require_reachable, resolve_uploads
from warehouse.planning.posts import preview_post
from warehouse.planning.times import Recipients
from warehouse.planning.wording import find_entries, read_wording
from warehouse.platforms import parse_platforms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connectors.content.capabilities import Capabilities
    from connectors.types import PostContent
    from warehouse.planning.context import PlanningContext
    from warehouse.planning.fitting import Misfit
    from warehouse.planning.wish import PostWish
    from warehouse.planning.wording import Wording
    from warehouse.store.accounts.target_accounts import TargetAccount


@dataclass(frozen=True, slots=True)
class PostCheck:
    """Result of a validation."""

    valid: bool
    """Whether `create_post` would accept the post as it is."""
    problems: Sequence[Mapping[str, Any]]
    """Everything that is wrong, or that must change before a draft is scheduled: entries of InvalidInputError."""
    warnings: Sequence[str]
    publications: Sequence[Mapping[str, Any]] = field(default_factory=list)
    """One per account; empty if the targets or the wording cannot be read."""


def check_post(context: PlanningContext, wish: PostWish) -> PostCheck:
    """Validate a post and return all problems instead of the first ones. Saves nothing."""
    problems: list[dict[str, Any]] = []
    warnings: list[str] = []

    def collect(step: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the step returns
        try:
            return step()
        except InvalidInputError as error:
            _add(problems, error.entries)
        except ConflictError as error:
            entry = {"pointer": "", "code": error.code, "detail": error.message}
            _add(problems, [{**entry, "existing_id": error.existing_id} if error.existing_id else entry])
        return None

    wording: Wording | None = collect(lambda: read_wording(wish, wish.content))
    accounts: list[TargetAccount] = (
        collect(lambda: Recipients(parse_platforms(wish.platforms), wish.account_ids).find(context)) or []
    )
    publications: list[dict[str, Any]] = []
    if wording is not None:
        known = wording
        wording = collect(lambda: resolve_uploads(context.session, context.workspace_id, known)) or known
        platforms = [Platform(account.platform) for account in accounts]
        misfits = find_misfits(context.session, context.workspace_id, platforms, wording)
        _add(problems, [one.as_entry() for one in misfits if not one.is_converted])
        for account in accounts:
            shown = _describe_target(account, wording, misfits)
            _add(problems, shown["problems"])
            publications.append(shown)
        worded = wording
        collect(lambda: require_reachable(accounts, worded, context.media_public_url))
    plan = collect(lambda: preview_post(context, wish))
    if plan is not None:
        # Accepted for now: what is missing can be added before the post's time. Of a draft, everything can be
        # corrected: its problems are listed with their places, and do not make it invalid.
        problems = [entry for entry in problems if entry["code"] != "media_required"]
        told = {entry["detail"] for entry in problems}
        warnings = [words for words in plan.warnings if words not in told]
    return PostCheck(plan is not None, problems, warnings, publications)


def _add(problems: list[dict[str, Any]], entries: Sequence[Mapping[str, Any]]) -> None:
    known = {(entry["pointer"], entry["code"], entry["detail"]) for entry in problems}
    problems += [
        dict(entry) for entry in entries if (entry["pointer"], entry["code"], entry["detail"]) not in known
    ]


def _describe_target(account: TargetAccount, wording: Wording, misfits: Sequence[Misfit]) -> dict[str, Any]:
    platform = Platform(account.platform)
    capabilities = get_capabilities(platform, text_limit=account.text_limit)
    content = wording.for_platform(platform)
    return {
        "account_id": account.id,
        "platform": platform.value,
        "handle": account.handle,
        "parts": _list_parts(capabilities, content),
        "link": None if capabilities.shows_link_in_text(content) else content.link,
        "media": [item.model_dump(mode="json") for item in content.media],
        "max_images": capabilities.max_images,
        "max_videos": capabilities.max_videos,
        "options": capabilities.options.of(content).model_dump(mode="json"),
        "conversions": [
            {"pointer": one.pointer, "detail": one.detail}
            for one in misfits
            if one.platform is platform and one.is_converted
        ],
        "problems": [
            *find_entries(platform, wording, text_limit=account.text_limit),
            *(one.as_entry() for one in misfits if one.platform is platform and not one.is_converted),
        ],
    }


def _list_parts(capabilities: Capabilities, content: PostContent) -> list[dict[str, Any]]:
    first = FollowUp(text=capabilities.write_text(content), media=content.media)
    parts = [("post", first, capabilities.limit_of(content))]
    parts += [("thread", part, capabilities.text_limit) for part in content.thread]
    if content.first_comment is not None:
        parts.append(("first_comment", content.first_comment, capabilities.text_limit))
    return [
        {
            "kind": kind,
            "text": part.text,
            "length": capabilities.count_text(part.text),
            "limit": limit,
            "remaining": limit - capabilities.count_text(part.text),
            "unit": capabilities.text_unit,
            "links": [url for _start, _end, url in capabilities.find_links(part.text)],
            "media": [item.model_dump(mode="json") for item in part.media],
            "after": part.after,
        }
        for kind, part, limit in parts
    ]

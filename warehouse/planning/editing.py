"""Change a post that is published already: on its platforms where they edit, in the store where it was not sent yet.

For every interface: `begin_change` checks and records the change in one transaction, `send_edits` then asks the
platforms, outside of it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from connectors.capabilities import get_capabilities
from connectors.content.editing import find_edit_problems
from connectors.errors import (
    ConnectorError,
    ContentRejectedError,
    GiveUpError,
    NotSentError,
    RateLimitedError,
    ReauthenticateError,
)
from connectors.types import EditRequest, Platform, PostContent
from warehouse.errors import ConflictError, InvalidInputError
from warehouse.planning.media import require_public, require_reachable, resolve_uploads
from warehouse.planning.posts import change_post
from warehouse.planning.wording import (
    describe_problem,
    make_targets,
    read_wording,
    require_length,
    stored_wording,
)
from warehouse.store.access.workspaces import read_settings
from warehouse.store.accounts.credentials import open_account
from warehouse.store.audit.log import record
from warehouse.store.models import AccountRow
from warehouse.store.posts.approvals import ask_for_approval
from warehouse.store.posts.media import note_uses
from warehouse.store.posts.reads import get_post, list_publications
from warehouse.store.posts.versions import lock_publications, require_version, touch
from warehouse.store.publishing.editing import (
    Edit,
    begin_edit,
    needs_edit,
    record_edit,
    refuse_edit,
    require_no_edit_in_progress,
)
from warehouse.store.publishing.publications import (
    change_content,
    payload_hash,
    require_editable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from connectors.types import Account
    from warehouse.planning.context import PlanningContext
    from warehouse.planning.wish import PostChange
    from warehouse.planning.wording import Wording
    from warehouse.store.database import Store
    from warehouse.store.models import Post, Publication
    from warehouse.store.publishing.editing import EditState

_FINAL = ("platforms", "account_ids", "scheduled_at", "timezone", "status")
"""Fields that a post keeps once it is published."""


class Editor(Protocol):
    """Changes a post on its platform; returns also if it says so already. `connectors.registry` has one."""

    async def __call__(self, account: Account, request: EditRequest) -> None:
        """Raise a ConnectorError if it was not changed, or may not have been."""
        ...


@dataclass(frozen=True, slots=True)
class BegunChange:
    """A change that is saved; `edits` are still to be sent to the platforms."""

    post: Post
    publications: Sequence[Publication]
    warnings: Sequence[str]
    edits: Sequence[Edit] = ()


@dataclass(slots=True)
class _Sorted:
    """What a change means for each publication."""

    edits: list[tuple[Publication, PostContent]] = field(default_factory=list)
    refused: list[tuple[Publication, list[Mapping[str, Any]]]] = field(default_factory=list)
    unsent: list[tuple[Publication, PostContent]] = field(default_factory=list)


def begin_change(
    context: PlanningContext,
    post_id: str,
    change: PostChange,
    *,
    may_approve: bool,
    expected_version: int | None = None,
) -> BegunChange:
    """Check a change and save it; of a published post, record the edits that `send_edits` then makes.

    `may_approve`: whether the caller may approve posts, which an edit needs where the workspace requires approval.
    Raises like `change_post`; for a published post also ConflictError: not_editable (no platform can make this change),
    approval_required, edit_in_progress.
    """
    post = get_post(context.session, context.workspace_id, post_id)
    publications = list_publications(context.session, [post.id])[post.id]
    if post.origin != "socialflow" or all(row.status != "published" for row in publications):
        saved = change_post(context, post_id, change, expected_version=expected_version)
        return BegunChange(saved.post, saved.publications, saved.plan.warnings)
    require_version(post, expected_version)
    named = [name for name in _FINAL if name in change.model_fields_set]
    if named:
        raise ConflictError(
            f"the post is published, so its time and accounts are final: leave {' and '.join(named)} out",
            code="final_status",
        )
    if read_settings(context.session, context.workspace_id).approval_required and not may_approve:
        raise ConflictError(
            "this workspace requires approval, and an edit of a published post is public at once: somebody who may "
            "approve posts must make it",
            code="approval_required",
        )
    content = post.content if change.content is None else change.content
    require_length(content)
    wording = read_wording(change, content, stored_wording(post))
    require_public(wording, allow_private=context.allow_private_media)
    wording = resolve_uploads(context.session, context.workspace_id, wording)
    rows = [row for row in lock_publications(context.session, post) if row.status != "canceled"]
    work = _sort(context, rows, wording)
    if work.refused and not work.edits and not work.unsent:
        _refuse_all(work.refused)
    _check(context, wording, [row for row, _ in (*work.edits, *work.unsent)])
    return _save(context, post, wording, work, client_ref=_client_ref(post, change))


def _client_ref(post: Post, change: PostChange) -> str | None:
    return change.client_ref if "client_ref" in change.model_fields_set else post.client_ref


def _sort(context: PlanningContext, rows: Sequence[Publication], wording: Wording) -> _Sorted:
    work = _Sorted()
    for row in rows:
        wanted = wording.for_platform(Platform(row.platform))
        if row.status != "published":
            require_editable(row)
            if row.payload_hash != payload_hash(wanted):
                work.unsent.append((row, wanted))
        elif needs_edit(row, wanted):
            require_no_edit_in_progress(row, context.now)
            problems = _find_problems(context, row, wanted, wording)
            if problems:
                work.refused.append((row, problems))
            else:
                work.edits.append((row, wanted))
    return work


def _find_problems(
    context: PlanningContext, row: Publication, wanted: PostContent, wording: Wording
) -> list[Mapping[str, Any]]:
    """Return why a published post cannot be edited so, as entries of InvalidInputError."""
    platform = Platform(row.platform)
    capabilities = get_capabilities(platform)
    problems = find_edit_problems(capabilities, PostContent.model_validate(row.content), wanted)
    entries: list[Mapping[str, Any]] = [describe_problem(platform, wording, problem) for problem in problems]
    if entries:
        return entries
    account = context.session.get_one(AccountRow, row.account_id)
    why = None
    if row.platform_deleted_at is not None:
        why = ("deleted", f"{platform}: the post was deleted there: there is nothing to edit")
    elif row.external_id is None:
        why = ("not_editable", f"{platform}: the post's id is not known: edit it there")
    elif account.credentials is None or account.status != "active":
        why = (
            "account_not_connected",
            f"{platform}: the account is {account.status}: connect it again, then repeat the edit",
        )
    return (
        [] if why is None else [{"pointer": "", "code": why[0], "detail": why[1], "platform": platform.value}]
    )


def _refuse_all(refused: Sequence[tuple[Publication, Sequence[Mapping[str, Any]]]]) -> None:
    """Raise the reason why nothing of a change can be made; nothing is saved."""
    entries = [entry for _, problems in refused for entry in problems]
    fixable = all(
        get_capabilities(Platform(row.platform)).editing is not None
        and all(one["pointer"] for one in problems)
        for row, problems in refused
    )
    if fixable:
        raise InvalidInputError.from_entries(entries)
    words = "; ".join(dict.fromkeys(str(entry["detail"]) for entry in entries))
    raise ConflictError(f"the post is published and cannot be edited: {words}", code=str(entries[0]["code"]))


def _check(context: PlanningContext, wording: Wording, rows: Sequence[Publication]) -> None:
    """Check the new content like that of a new post, for the accounts that get it."""
    accounts = [context.session.get_one(AccountRow, row.account_id) for row in rows]
    require_reachable(accounts, wording, context.media_public_url)
    make_targets(accounts, wording, due_later=False)


def _save(
    context: PlanningContext, post: Post, wording: Wording, work: _Sorted, *, client_ref: str | None
) -> BegunChange:
    session, now = context.session, context.now
    for row, problems in work.refused:
        message = "; ".join(str(one["detail"]) for one in problems)
        refuse_edit(session, row, now, code=str(problems[0]["code"]), message=message)
    for row, wanted in work.unsent:
        change_content(session, row, wanted, now)
    edits = [begin_edit(session, row, wanted, now) for row, wanted in work.edits]
    post.content = wording.content
    post.details = {**post.details, **wording.as_details()}
    post.client_ref = client_ref
    publications = list_publications(session, [post.id])[post.id]
    contents = [PostContent.model_validate(row.content) for row in publications]
    note_uses(session, context.workspace_id, post.id, post.details, contents, is_new=False)
    if work.unsent:
        ask_for_approval(session, post, now)
    if edits:
        detail = {"publications": [one.publication_id for one in edits]}
        record(session, "post_edited", context.workspace_id, now, post.id, detail)
    touch(session, post, now)
    return BegunChange(post, list_publications(session, [post.id])[post.id], _warn(work.refused), edits)


def _warn(refused: Sequence[tuple[Publication, Sequence[Mapping[str, Any]]]]) -> list[str]:
    return [f"not edited: {entry['detail']}" for _, problems in refused for entry in problems]


async def send_edits(
    store: Store, edit: Editor, edits: Sequence[Edit], clock: Callable[[], datetime]
) -> list[str]:
    """Make the recorded edits, one account after the other; return a warning for each that was not made.

    An interruption leaves the outcome unknown, which repeating the change settles.
    """
    warnings = []
    for one in edits:
        outcome, code, message = await _send(store, edit, one)
        await asyncio.to_thread(_record, store, one, clock(), outcome, code, message)
        if outcome != "done":
            warnings.append(
                f"{'perhaps ' if outcome == 'unknown' else ''}not edited: {one.platform}: {message}"
            )
    return warnings


async def _send(store: Store, edit: Editor, one: Edit) -> tuple[EditState, str | None, str | None]:
    """Return outcome, code and message."""

    def connect() -> Account:
        with store.read() as session:
            return open_account(session.get_one(AccountRow, one.account_id), store.cipher)

    try:
        account = await asyncio.to_thread(connect)
    except ConflictError as error:
        return "failed", error.code, error.message
    try:
        await edit(account, EditRequest(one.external_id, one.before, one.after, one.state))
    except ReauthenticateError as error:
        return "failed", error.code, f"{error.message}: connect the account again, then repeat the edit"
    except (NotSentError, RateLimitedError) as error:
        return "failed", error.code, f"{error.message}: repeat the edit later"
    except (ContentRejectedError, GiveUpError) as error:
        return "failed", error.code, error.message
    except ConnectorError as error:
        # It may be changed or not; repeating the edit reads the post first.
        return "unknown", error.code, f"{error.message}: repeat the edit"
    return "done", None, None


def _record(  # noqa: PLR0917 (one row of the ledger)
    store: Store, one: Edit, now: datetime, outcome: EditState, code: str | None, message: str | None
) -> None:
    with store.write() as session:
        record_edit(session, one, now, outcome=outcome, code=code, message=message)

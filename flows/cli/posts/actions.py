"""`socialflow posts cancel|reschedule|retry|resolve|mark-paid|approve|reject`: actions on a post."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from connectors.settings import ConnectorSettings
from flows.cli.arguments import expand_id, require_choice
from flows.cli.output import JsonOption, YesOption, confirm, print_json, say
from flows.cli.posts.planner import naming_options, open_planner
from flows.cli.posts.wishes import (
    AtOption,
    ExperimentOption,
    QueueOption,
    TimezoneOption,
    VersionOption,
    read_when,
)
from warehouse.errors import InvalidInputError
from warehouse.planning.approvals import hash_media
from warehouse.planning.posts import move_post
from warehouse.planning.times import needs_lake
from warehouse.planning.views import describe_post
from warehouse.settings import WarehouseSettings
from warehouse.store.posts.approvals import approve_post, list_media_to_approve, reject_post
from warehouse.store.posts.posts import cancel_post, resolve_publication, retry_post
from warehouse.store.posts.promotion import mark_paid as mark_post
from warehouse.store.posts.reads import list_publications

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connectors.types import Media
    from warehouse.planning.context import PlanningContext
    from warehouse.store.models import Post

BY = "cli"
PostId = Annotated[str, typer.Argument(help="As `socialflow posts list` shows it.", callback=expand_id)]
PublicationId = Annotated[str, typer.Argument(help="Id from `socialflow posts show`.", callback=expand_id)]


def cancel(*, post_id: PostId, as_json: JsonOption = False) -> None:
    """Cancel the unsent publications of a post. Published ones stay published."""
    _act(
        lambda context: cancel_post(context.session, context.workspace_id, post_id, context.now),
        as_json=as_json,
    )


def delete(*, post_id: PostId, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Cancel a post, as `DELETE /api/v1/posts/ID` does. Published publications stay published."""
    confirm(f"Cancel the unsent publications of {post_id}?", yes=yes)
    cancel(post_id=post_id, as_json=as_json)


def reschedule(
    *,
    post_id: PostId,
    at: AtOption = None,
    queue: QueueOption = False,
    timezone: TimezoneOption = None,
    experiment: ExperimentOption = True,
    if_version: VersionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move the unsent publications of a post to another time."""
    when = read_when(at, queue=queue, timezone=timezone)
    if when is None:
        raise InvalidInputError("give --at or --queue", field="scheduled_at", code="missing_time")
    _act(
        lambda context: move_post(
            context, post_id, when, timezone=timezone, experiment=experiment, expected_version=if_version
        ),
        as_json=as_json,
        with_lake=needs_lake(when),
    )


def retry(
    *,
    post_id: PostId,
    publication: Annotated[
        list[str] | None, typer.Option(help="Only this failed publication; repeat the option. Default: all.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Retry the failed publications of a post at once."""
    _act(
        lambda context: retry_post(
            context.session, context.workspace_id, post_id, context.now, publication_ids=publication or ()
        ),
        as_json=as_json,
    )


def resolve(
    *,
    post_id: PostId,
    publication_id: PublicationId,
    decision: Annotated[str, typer.Option(help="published (it is on the platform), send (now), or discard.")],
    external_id: Annotated[
        str | None, typer.Option(help="With published: the platform's id of the post, to read its metrics.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Resolve a publication in needs_review. Check the platform first."""
    _act(
        lambda context: resolve_publication(
            context.session,
            context.workspace_id,
            post_id,
            publication_id,
            decision,
            context.now,
            external_id=external_id,
        ),
        as_json=as_json,
    )


def mark_paid(
    *,
    post_id: PostId,
    paid: Annotated[
        str,
        typer.Option(help="yes, no, or unknown: take the mark back, then the platform or a file decides."),
    ] = "yes",
    publication: Annotated[
        list[str] | None,
        typer.Option(help="Only this publication; repeat the option. Default: all published."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Mark a published post as promoted for money, or not: optimal times leave promoted posts out.

    It has its effect when times are computed next, by default at night.
    """
    require_choice(paid, ("yes", "no", "unknown"), field="paid")
    said = {"yes": True, "no": False}.get(paid)
    _act(
        lambda context: mark_post(
            context.session,
            context.workspace_id,
            post_id,
            said,
            context.now,
            publication_ids=publication or (),
        ),
        as_json=as_json,
    )


def approve(*, post_id: PostId, as_json: JsonOption = False) -> None:
    """Approve a post. It is sent at its time, with the media that its URLs give now."""
    max_lateness = WarehouseSettings().max_lateness
    with open_planner(only_reads=True) as context:
        media = list_media_to_approve(context.session, context.workspace_id, post_id)
    hashes = asyncio.run(_read_media(media)) if media else {}
    _act(
        lambda context: approve_post(
            context.session,
            context.workspace_id,
            post_id,
            BY,
            context.now,
            max_lateness=max_lateness,
            media_hashes=hashes,
        ),
        as_json=as_json,
    )


async def _read_media(media: Sequence[Media]) -> dict[str, str]:
    from connectors.registry import ConnectorPool  # noqa: PLC0415 (all connectors, only to read media)

    async with ConnectorPool(ConnectorSettings()) as pool:
        return await hash_media(media, pool.hash_media)


def reject(
    *,
    post_id: PostId,
    reason: Annotated[str, typer.Option(help="Reason, shown to its author.")],
    as_json: JsonOption = False,
) -> None:
    """Reject a post: it goes back to its author as a draft."""
    _act(
        lambda context: reject_post(context.session, context.workspace_id, post_id, BY, reason, context.now),
        as_json=as_json,
    )


def _act(work: Callable[[PlanningContext], Post], *, as_json: bool, with_lake: bool = False) -> None:
    with naming_options(), open_planner(with_lake=with_lake) as context:
        post = work(context)
        shown = describe_post(post, list_publications(context.session, [post.id])[post.id])
    if as_json:
        print_json(shown)
    else:
        say(f"{shown['id']} is {shown['status']}")

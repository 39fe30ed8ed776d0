"""`socialflow posts`: create, change, list and show posts."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.arguments import expand_id, require_choice
from flows.cli.moments import FORMS, read_moment
from flows.cli.output import JsonOption, dump_json, print_json, print_records, say
from flows.cli.posts import actions, bulk, check, export, unpublish
from flows.cli.posts.edits import edit_published
from flows.cli.posts.planner import naming_options, open_planner_with
from flows.cli.posts.wishes import (
    AccountsOption,
    AltTextsOption,
    AtOption,
    ClientRefOption,
    DocumentsOption,
    DuplicateOption,
    ExperimentOption,
    FirstCommentOption,
    ImagesOption,
    LinkOption,
    OptionsFileOption,
    OptionsOption,
    PartsOption,
    PlatformsOption,
    QueueOption,
    ThreadOption,
    TimezoneOption,
    VariantsOption,
    VersionOption,
    VideosOption,
    clear_fields,
    read_when,
    read_wish_fields,
)
from flows.cli.workspace_session import open_workspace
from warehouse.errors import InvalidInputError
from warehouse.planning.editing import begin_change
from warehouse.planning.posts import create_post, preview_post
from warehouse.planning.times import needs_lake
from warehouse.planning.views import describe_placement, describe_post, describe_post_detail
from warehouse.planning.wish import PostChange, PostWish
from warehouse.platforms import parse_platform
from warehouse.settings import WarehouseSettings
from warehouse.shapes import read_shape
from warehouse.store.access.api_keys import ensure_command_line_key
from warehouse.store.posts.idempotency import RepeatableRequest, StoredAnswer, answer_once_in, require_key
from warehouse.store.posts.reads import PostFilter, get_post, list_posts, list_publications

if TYPE_CHECKING:
    from warehouse.planning.context import PlanningContext
    from warehouse.planning.posts import Plan
    from warehouse.store.posts.idempotency import StoreSession

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Schedule, change, list and review posts.",
)

STATUSES = ("draft", "scheduled", "publishing", "published", "partially_published", "failed", "canceled")
APPROVALS = ("pending", "approved", "rejected")
ORIGINS = ("socialflow", "external", "any")
PostId = Annotated[str, typer.Argument(help="As `socialflow posts list` shows it.", callback=expand_id)]


@app.command()
def create(
    *,
    content: Annotated[str, typer.Option(help="The post's text.")],
    platform: PlatformsOption = None,
    account: AccountsOption = None,
    at: AtOption = None,
    queue: QueueOption = False,
    timezone: TimezoneOption = None,
    experiment: ExperimentOption = True,
    link: LinkOption = None,
    image: ImagesOption = None,
    video: VideosOption = None,
    document: DocumentsOption = None,
    alt_text: AltTextsOption = None,
    thread: ThreadOption = None,
    first_comment: FirstCommentOption = None,
    part: PartsOption = None,
    variant: VariantsOption = None,
    option: OptionsOption = None,
    options_file: OptionsFileOption = None,
    draft: Annotated[bool, typer.Option("--draft", help="Save it as a draft.")] = False,
    client_ref: ClientRefOption = None,
    allow_duplicate: DuplicateOption = False,
    idempotency_key: Annotated[
        str | None,
        typer.Option(
            help="Unique string: repeating the command with it within 24 hours creates no second post."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, save nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Schedule a post. Without --at and --queue, it is published at once."""
    with naming_options():
        wish_fields = read_wish_fields(
            content=content,
            platforms=platform,
            accounts=account,
            link=link,
            images=image,
            videos=video,
            documents=document,
            alt_texts=alt_text,
            thread=thread,
            first_comment=first_comment,
            parts=part,
            variants=variant,
            options=option,
            options_file=options_file,
            client_ref=client_ref,
        )
        when = read_when(at, queue=queue, timezone=timezone)
        wish_fields.given |= {
            "scheduled_at": when,
            "timezone": timezone,
            "experiment": experiment,
            "status": "draft" if draft else None,
            "allow_duplicate": allow_duplicate,
        }
        wish = read_shape(PostWish, wish_fields.given)
        if dry_run:
            # The files are part of the transaction, which is rolled back.
            _preview(wish, wish_fields.images, with_lake=needs_lake(when), as_json=as_json)
            return
        with open_planner_with(wish_fields.images, with_lake=needs_lake(when)) as context:
            shown = _create_once(context, wish, idempotency_key, wish_fields.identity())
    _tell_saved(shown, as_json=as_json)


@app.command()
def edit(
    *,
    post_id: PostId,
    content: Annotated[str | None, typer.Option(help="New text.")] = None,
    platform: PlatformsOption = None,
    account: AccountsOption = None,
    at: AtOption = None,
    queue: QueueOption = False,
    timezone: TimezoneOption = None,
    experiment: ExperimentOption = True,
    link: LinkOption = None,
    image: ImagesOption = None,
    video: VideosOption = None,
    document: DocumentsOption = None,
    alt_text: AltTextsOption = None,
    thread: ThreadOption = None,
    first_comment: FirstCommentOption = None,
    part: PartsOption = None,
    variant: VariantsOption = None,
    option: OptionsOption = None,
    options_file: OptionsFileOption = None,
    clear: Annotated[
        list[str] | None,
        typer.Option(
            help="link, media, thread, first_comment, options, variants, client_ref, or (of a draft) time; repeat it."
        ),
    ] = None,
    draft: Annotated[
        bool | None,
        typer.Option("--draft/--schedule", help="Whether it stays a draft, or is sent at its time."),
    ] = None,
    client_ref: ClientRefOption = None,
    allow_duplicate: DuplicateOption = False,
    if_version: VersionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a post; omitted options stay unchanged. What is published is edited on its platform.

    The exit code is 1 if a published post was not edited; the edit is safe to repeat.
    """
    with naming_options():
        wish_fields = read_wish_fields(
            content=content,
            platforms=platform,
            accounts=account,
            link=link,
            images=image,
            videos=video,
            documents=document,
            alt_texts=alt_text,
            thread=thread,
            first_comment=first_comment,
            parts=part,
            variants=variant,
            options=option,
            options_file=options_file,
            client_ref=client_ref,
        )
        given = wish_fields.given
        when = read_when(at, queue=queue, timezone=timezone)
        if when is not None:
            given |= {"scheduled_at": when, "experiment": experiment}
        if timezone is not None:
            given["timezone"] = timezone
        if draft is not None:
            given["status"] = "draft" if draft else "scheduled"
        given |= clear_fields(clear or (), given, more={"time": ("scheduled_at", None)})
        if not given:
            raise InvalidInputError(
                "nothing to change: give at least one option, such as --content or --at",
                field="",
                code="nothing_to_change",
            )
        change = read_shape(PostChange, {**given, "allow_duplicate": allow_duplicate})
        with open_planner_with(wish_fields.images, with_lake=needs_lake(when)) as context:
            begun = begin_change(context, post_id, change, may_approve=True, expected_version=if_version)
            shown = describe_post(begun.post, begun.publications, begun.warnings)
            edits = list(begun.edits)
    failed: list[str] = []
    if edits:
        shown, failed = edit_published(post_id, edits, shown["warnings"])
    _tell_saved(shown, as_json=as_json)
    if failed:
        raise typer.Exit(1)


@app.command("list")
def list_(
    *,
    status: Annotated[
        list[str] | None, typer.Option(help=f"Some of: {', '.join(STATUSES)}; repeat the option.")
    ] = None,
    platform: Annotated[str | None, typer.Option(help="Only posts on this platform.")] = None,
    account: Annotated[str | None, typer.Option(help="Only posts on this account, by its id.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", help=f"Scheduled at or after this time: {FORMS}.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Scheduled before this time.")] = None,
    recurrence: Annotated[str | None, typer.Option(help="Only posts of this recurrence.")] = None,
    approval: Annotated[str | None, typer.Option(help=f"One of: {', '.join(APPROVALS)}.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most this many.")] = 20,
    origin: Annotated[
        str, typer.Option(help="socialflow, external (found in the accounts' history), or any.")
    ] = "socialflow",
    external: Annotated[bool, typer.Option("--external", help="The same as --origin any.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List posts, newest first."""
    for one in status or ():
        require_choice(one, STATUSES, field="status")
    if approval is not None:
        require_choice(approval, APPROVALS, field="approval")
    require_choice(origin, ORIGINS, field="origin")
    with open_workspace() as opened:
        wanted = PostFilter(
            statuses=tuple(status or ()),
            platform=parse_platform(platform) if platform else None,
            account_id=account,
            scheduled_from=read_moment(start, opened.zone, field="from"),
            scheduled_to=read_moment(end, opened.zone, field="to"),
            recurrence_id=recurrence,
            approval=approval,
            origin=None if external or origin == "any" else origin,
        )
        posts, more = list_posts(opened.session, opened.workspace_id, wanted, limit=limit)
        publications = list_publications(opened.session, [post.id for post in posts])
        shown = [describe_post(post, publications[post.id]) for post in posts]
    if as_json:
        print_json(shown)
        return
    rows = [{**one, "content": _shorten(one["content"])} for one in shown]
    print_records(rows, ["id", "status", "scheduled_at", "platforms", "content"])
    if more:
        say(f"the newest {limit}; --limit shows more")


@app.command()
def show(*, post_id: PostId, as_json: JsonOption = False) -> None:
    """Show a post's history per account. It says when it was claimed, sent and answered, or why not."""
    from warehouse.lake.archive import read_ledgers  # noqa: PLC0415 (loads DuckDB)
    from warehouse.lake.connect import Lake  # noqa: PLC0415 (same)

    settings = WarehouseSettings()
    with open_workspace(settings) as opened:
        post = get_post(opened.session, opened.workspace_id, post_id)
        publications = list_publications(opened.session, [post.id])[post.id]
        attempts = read_ledgers(
            opened.session, publications, lambda: Lake.open(settings, read_only=True, threads=1)
        )
        story = describe_post_detail(opened.session, post, publications, attempts, opened.now)
    if as_json:
        print_json(story)
        return
    say(f"{story['id']} is {story['status']}: {story['content']}")
    for publication in story["publications"]:
        say(
            f"\n{publication['platform']} {publication['account_id']} ({publication['id']}): {publication['status']}"
        )
        for sentence in publication["story"]:
            say(f"  {sentence}")
        for problem in publication["ledger_problems"]:
            say(f"  the ledger is damaged: {problem}")


def _create_once(
    context: PlanningContext, wish: PostWish, key: str | None, identity: dict[str, Any]
) -> dict[str, Any]:
    def work(_session: StoreSession) -> StoredAnswer:
        saved = create_post(context, wish)
        shown = describe_post(saved.post, saved.publications, saved.plan.warnings)
        return StoredAnswer(201, {}, dump_json(shown).encode())

    request = None
    if key is not None:
        require_key(key)
        said = json.dumps(identity, sort_keys=True, default=str).encode()
        request = RepeatableRequest(
            workspace_id=context.workspace_id,
            api_key_id=ensure_command_line_key(context.session, context.workspace_id, context.now),
            route="posts create",
            key=key,
            body_hash=hashlib.sha256(said).hexdigest(),
        )
    answer, _ = answer_once_in(context.session, request, work, context.now)
    shown: dict[str, Any] = json.loads(answer.body)
    return shown


class _Undo(Exception):  # noqa: N818 (not an error: it ends a transaction that must not be saved)
    """Rolls back the transaction of a dry run."""


def _undo() -> None:
    raise _Undo


def _preview(wish: PostWish, images: list[Any], *, with_lake: bool, as_json: bool) -> None:
    plan: Plan | None = None
    try:
        with open_planner_with(images, with_lake=with_lake) as context:
            plan = preview_post(context, wish)
            _undo()
    except _Undo:
        pass
    assert plan is not None  # noqa: S101 (the block always ends with _Undo, after the plan)
    told = {
        "scheduled_at": plan.draft.scheduled_at,
        "placement": describe_placement(plan.draft.details),
        "publications": [
            {
                "account_id": target.account.id,
                "platform": target.account.platform,
                "content": target.content.model_dump(mode="json"),
            }
            for target in plan.draft.targets
        ],
        "warnings": list(plan.warnings),
    }
    if as_json:
        print_json(told)
        return
    say(f"the post is valid for {len(plan.draft.targets)} account(s); it was not saved")
    for words in plan.warnings:
        say(words)


def _tell_saved(shown: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(shown)
        return
    count = len(shown["publications"])
    if shown["status"] == "draft":
        say(f"{shown['id']} is saved as a draft for {count} account(s)")
    else:
        say(f"{shown['id']} is scheduled for {_minute(shown['scheduled_at'])} UTC to {count} account(s)")
    note = (shown["scheduling"] or {}).get("note")
    for words in [*([note] if note else []), *shown["warnings"]]:
        say(words)


def _minute(at: Any) -> str:  # noqa: ANN401 (a datetime, or its text in a replayed response)
    return str(at)[:19].replace("T", " ")


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 40 else line[:39] + "…"


for _action in (
    actions.cancel,
    actions.delete,
    actions.reschedule,
    actions.retry,
    actions.resolve,
    unpublish.unpublish,
    actions.mark_paid,
    actions.approve,
    actions.reject,
):
    app.command()(_action)
app.command()(check.validate)
app.command("import")(bulk.import_)
app.command("bulk")(bulk.import_)
app.command("export")(export.export)

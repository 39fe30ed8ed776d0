"""`socialflow posts`: schedule, list, and see why a post is where it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.capabilities import validate_content
from connectors.types import Platform, PostContent
from flows.cli import post_actions, post_import
from flows.cli.arguments import parse_platform
from flows.cli.output import JsonOption, print_json, print_records, say
from flows.cli.post_media import kept_files, name_media, read_image, require_reachable
from flows.cli.post_times import find_time, open_lake_for, read_time
from flows.settings import FlowSettings
from warehouse.errors import InvalidInputError
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.target_accounts import list_target_accounts
from warehouse.store.database import Store
from warehouse.store.posts.duplicates import Target
from warehouse.store.posts.posts import PostDraft, create_post
from warehouse.store.posts.reads import PostFilter, get_post, list_attempts, list_posts, list_publications
from warehouse.store.publishing.ledger import verify_ledger
from warehouse.store.publishing.story import tell_story

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warehouse.store.database import Session
    from warehouse.store.models import Post, Publication, PublicationAttempt

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Schedule posts, list them, tell one's story, and decide what becomes of it.",
)

for _action in (
    post_actions.cancel,
    post_actions.reschedule,
    post_actions.retry,
    post_actions.resolve,
    post_actions.approve,
    post_actions.reject,
):
    app.command()(_action)
app.command("import")(post_import.import_)

MAX_CONTENT = 2000
"""As the API has it; the platforms' own limits come on top."""


@app.command()
def create(
    *,
    content: Annotated[str, typer.Option(help="What the post says.")],
    platform: Annotated[
        list[str] | None, typer.Option(help="All connected accounts of this platform; repeat the option.")
    ] = None,
    account: Annotated[
        list[str] | None, typer.Option(help="One account by its id; repeat the option.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            help='ISO 8601; without offset in the workspace\'s zone. "optimal": the next best free time. '
            "Left out: at once."
        ),
    ] = None,
    link: Annotated[str | None, typer.Option(help="A web address shown with the post.")] = None,
    image: Annotated[
        list[str] | None,
        typer.Option(help="A picture's file, or its public address, or upload:ID; repeat it. A video's too."),
    ] = None,
    allow_duplicate: Annotated[bool, typer.Option(help="The same content again within 24 hours.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Schedule a post, or publish it at once."""
    platforms = [parse_platform(name) for name in platform or []]
    if not platforms and not account:
        raise InvalidInputError("say where to: --platform or --account", field="platform")
    now = datetime.now(UTC)
    settings = WarehouseSettings()
    # Looked at before anything is opened: a file that cannot be sent is said at once.
    images = [read_image(value, max_bytes=FlowSettings().api_max_upload_bytes) for value in image or []]
    with (
        open_lake_for(at, settings) as lake,
        Store.open(settings) as store,
        kept_files(settings, images),
        store.write() as session,
    ):
        workspace = ensure_default_workspace(session, now)
        said = PostContent(text=content, link=link, media=name_media(session, workspace.id, images, now))
        chosen = read_time(at, workspace.timezone, now)
        rows = list_target_accounts(session, workspace.id, platforms=platforms, account_ids=account or [])
        if lake is not None:
            chosen = find_time(session, lake, workspace, rows, now)
        _require_valid(said, {(Platform(row.platform), row.text_limit) for row in rows})
        require_reachable({Platform(row.platform) for row in rows}, said, settings)
        draft = PostDraft(
            content=content,
            targets=[Target(row, said) for row in rows],
            scheduled_at=chosen.at,
            details={
                **chosen.details,
                "media": [item.model_dump(mode="json") for item in said.media],
                "link": link,
                "thread": [],
                "first_comment": None,
                "variants": {},
            },
            allow_duplicate=allow_duplicate,
        )
        post = create_post(session, workspace.id, draft, now)
        shown = _show(post, list_publications(session, [post.id])[post.id])
    if as_json:
        print_json(shown)
    else:
        say(f"{post.id} goes out at {chosen.at:%Y-%m-%d %H:%M:%S} UTC to {len(rows)} account(s)")
        if chosen.reason:
            say(chosen.reason)


@app.command("list")
def list_(
    *,
    status: Annotated[
        list[str] | None, typer.Option(help="scheduled, published, failed, ...; repeat it.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    external: Annotated[bool, typer.Option(help="Also posts found in the accounts' history.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List posts, newest first."""
    wanted = PostFilter(statuses=tuple(status or ()), origin=None if external else "socialflow")
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        workspace = ensure_default_workspace(session, datetime.now(UTC))
        posts, _more = list_posts(session, workspace.id, wanted, limit=limit)
        publications = list_publications(session, [post.id for post in posts])
        shown = [_show(post, publications[post.id]) for post in posts]
    if as_json:
        print_json(shown)
        return
    for post in shown:
        post["platforms"] = " ".join(sorted({str(item["platform"]) for item in post["publications"]}))
    print_records(shown, ["id", "status", "scheduled_at", "platforms", "content"])


@app.command()
def show(*, post_id: Annotated[str, typer.Argument()], as_json: JsonOption = False) -> None:
    """Tell a post's story: when claimed, sent and answered on each account, and why it is not out yet."""
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        story = _tell(session, ensure_default_workspace(session, datetime.now(UTC)).id, post_id)
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


def _tell(session: Session, workspace_id: str, post_id: str) -> dict[str, Any]:
    post = get_post(session, workspace_id, post_id)
    publications = list_publications(session, [post.id])[post.id]
    attempts = list_attempts(session, [publication.id for publication in publications])
    story = _show(post, publications)
    for shown in story["publications"]:
        row = next(row for row in publications if row.id == shown["id"])
        shown["story"] = tell_story(session, row, attempts[row.id], datetime.now(UTC))
        shown["ledger_problems"] = verify_ledger(session, row.id)
        shown["attempts"] = [_show_attempt(event) for event in attempts[row.id]]
    return story


def _show(post: Post, publications: Sequence[Publication]) -> dict[str, Any]:
    return {
        "id": post.id,
        "status": post.status,
        "content": post.content,
        "scheduled_at": post.scheduled_at,
        "publications": [
            {
                "id": row.id,
                "account_id": row.account_id,
                "platform": row.platform,
                "status": row.status,
                "reason": row.reason,
                "scheduled_at": row.scheduled_at,
                "next_attempt_at": row.due_at,
                "published_at": row.published_at,
                "external_id": row.external_id,
                "permalink": row.permalink,
            }
            for row in publications
        ],
    }


def _show_attempt(row: PublicationAttempt) -> dict[str, Any]:
    return {"seq": row.seq, "attempt": row.attempt, "event": row.event, "at": row.at, "detail": row.detail}


def _require_valid(content: PostContent, targets: set[tuple[Platform, int | None]]) -> None:
    if len(content.text) > MAX_CONTENT:
        raise InvalidInputError(
            f"the content has {len(content.text)} characters: at most {MAX_CONTENT} are allowed",
            field="content",
        )
    for platform, text_limit in sorted(targets, key=str):
        problems = validate_content(platform, content, text_limit=text_limit)
        if problems:
            raise InvalidInputError(f"{platform}: {problems[0].detail}", field=problems[0].field)

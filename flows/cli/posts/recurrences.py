"""`socialflow recurrences`: rules for recurring posts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.arguments import expand_id, require_choice
from flows.cli.moments import FORMS, write_optional_time, write_time
from flows.cli.output import JsonOption, YesOption, confirm, print_json, print_records, say
from flows.cli.posts.planner import naming_options, open_planner, open_planner_with
from flows.cli.posts.wishes import (
    AccountsOption,
    AltTextsOption,
    ClientRefOption,
    DocumentsOption,
    DuplicateOption,
    FirstCommentOption,
    ImagesOption,
    LinkOption,
    OptionsFileOption,
    OptionsOption,
    PartsOption,
    PlatformsOption,
    ThreadOption,
    VariantsOption,
    VersionOption,
    VideosOption,
    clear_fields,
    read_wish_fields,
)
from flows.cli.workspace_session import open_workspace
from warehouse.errors import InvalidInputError
from warehouse.planning.recurrences import (
    change_recurrence,
    create_recurrence,
    list_upcoming,
    list_warnings,
    read_rule,
)
from warehouse.planning.views import describe_recurrence
from warehouse.planning.wish import RecurrenceChange, RecurrenceWish
from warehouse.scheduling import recurrences as store_recurrences
from warehouse.shapes import read_shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Create, change and delete rules for recurring posts.",
)

RecurrenceId = Annotated[
    str, typer.Argument(help="As `socialflow recurrences list` shows it.", callback=expand_id)
]
RuleHelp = "RRULE (RFC 5545), such as FREQ=WEEKLY;BYDAY=MO,TH."
StartHelp = f"First possible occurrence: {FORMS}; local in --timezone."
ZoneHelp = "IANA zone of the rule; local times stay as they are when the clocks change."
SkipHelp = "An occurrence to leave out, as 2030-04-22T09:00:00 or 2030-04-22; repeat the option."


@app.command()
def create(
    *,
    rule: Annotated[str, typer.Option(help=RuleHelp)],
    starts_at: Annotated[str, typer.Option(help=StartHelp)],
    content: Annotated[str, typer.Option(help="The text of each post.")],
    timezone: Annotated[str | None, typer.Option(help=f"{ZoneHelp} Default: the workspace's.")] = None,
    skip: Annotated[list[str] | None, typer.Option(help=SkipHelp)] = None,
    platform: PlatformsOption = None,
    account: AccountsOption = None,
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
    client_ref: ClientRefOption = None,
    allow_duplicate: DuplicateOption = False,
    as_json: JsonOption = False,
) -> None:
    """Create a rule. The posts of its first two weeks are created at once, later posts automatically."""
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
        wish = read_shape(
            RecurrenceWish,
            {
                **wish_fields.given,
                "rrule": rule,
                "starts_at": write_time(starts_at, timezone, field="starts_at"),
                "timezone": timezone,
                "exdates": skip or [],
                "allow_duplicate": allow_duplicate,
            },
        )
        with open_planner_with(wish_fields.images) as context:
            row, warnings = create_recurrence(context, wish)
            shown = describe_recurrence(context.session, row, context.now, warnings)
    _print(shown, as_json=as_json)


@app.command("list")
def list_(
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most this many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List the active rules, newest first."""
    with open_workspace() as opened:
        rows, more = store_recurrences.list_recurrences(opened.session, opened.workspace_id, limit=limit)
        shown = [describe_recurrence(opened.session, row, opened.now) for row in rows]
    if as_json:
        print_json(shown)
        return
    told = [{**one, "next": one["upcoming"][0]["scheduled_at"] if one["upcoming"] else None} for one in shown]
    print_records(told, ["id", "rrule", "timezone", "next", "content"])
    if more:
        say(f"the newest {limit}; --limit shows more")


@app.command()
def show(*, recurrence_id: RecurrenceId, as_json: JsonOption = False) -> None:
    """Show a rule and its next occurrences. `socialflow posts list --recurrence` lists its posts."""
    with open_workspace() as opened:
        row = store_recurrences.get_recurrence(opened.session, opened.workspace_id, recurrence_id)
        shown = describe_recurrence(opened.session, row, opened.now)
    _print(shown, as_json=as_json)


@app.command()
def edit(
    *,
    recurrence_id: RecurrenceId,
    rule: Annotated[str | None, typer.Option(help=RuleHelp)] = None,
    starts_at: Annotated[str | None, typer.Option(help=StartHelp)] = None,
    timezone: Annotated[str | None, typer.Option(help=ZoneHelp)] = None,
    skip: Annotated[list[str] | None, typer.Option(help=f"{SkipHelp} Replaces the current ones.")] = None,
    content: Annotated[str | None, typer.Option(help="New text of its posts.")] = None,
    platform: PlatformsOption = None,
    account: AccountsOption = None,
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
    client_ref: ClientRefOption = None,
    clear: Annotated[
        list[str] | None,
        typer.Option(
            help="link, media, thread, first_comment, options, variants, client_ref or skip; repeat the option."
        ),
    ] = None,
    if_version: VersionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a rule. Its unsent posts change too, except those that were changed by hand."""
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
        options = {
            "rrule": rule,
            "starts_at": write_optional_time(starts_at, timezone, field="starts_at"),
            "timezone": timezone,
            "exdates": skip or None,
        }
        given = wish_fields.given
        given |= {name: value for name, value in options.items() if value is not None}
        given |= clear_fields(clear or (), given, more={"skip": ("exdates", [])})
        if not given:
            raise InvalidInputError(
                "nothing to change: give at least one option, such as --rule or --content",
                field="",
                code="nothing_to_change",
            )
        change = read_shape(RecurrenceChange, given)
        with open_planner_with(wish_fields.images) as context:
            row, warnings = change_recurrence(context, recurrence_id, change, expected_version=if_version)
            shown = describe_recurrence(context.session, row, context.now, warnings)
    _print(shown, as_json=as_json)


@app.command()
def delete(
    *,
    recurrence_id: RecurrenceId,
    posts: Annotated[str, typer.Option(help="What to do with its unsent posts: cancel or keep.")] = "cancel",
    if_version: VersionOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """End a rule. Posts that are sent or being sent stay."""
    require_choice(posts, ("cancel", "keep"), field="posts")
    confirm(f"End {recurrence_id}? Its unsent posts: {posts}.", yes=yes)
    with open_workspace() as opened:
        row, canceled = store_recurrences.delete_recurrence(
            opened.session,
            opened.workspace_id,
            recurrence_id,
            opened.now,
            cancel_posts=posts == "cancel",
            expected_version=if_version,
        )
    if as_json:
        print_json({"id": row.id, "canceled_posts": canceled})
    else:
        say(f"{row.id} is ended; {canceled} posts canceled.")


@app.command()
def preview(
    *,
    rule: Annotated[str, typer.Option(help=RuleHelp)],
    starts_at: Annotated[str, typer.Option(help=StartHelp)],
    timezone: Annotated[str | None, typer.Option(help=f"{ZoneHelp} Default: the workspace's.")] = None,
    skip: Annotated[list[str] | None, typer.Option(help=SkipHelp)] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most this many.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Show the next occurrences of a rule without saving it."""
    first = write_time(starts_at, timezone, field="starts_at")
    with naming_options(), open_planner() as context:
        read = read_rule(context, rule, first, timezone=timezone, exdates=skip or ())
        found, more = list_upcoming(read, context.now, limit)
    if as_json:
        print_json(
            {
                "rrule": read.text,
                "starts_at": read.starts_at,
                "timezone": read.zone.key,
                "warnings": list_warnings(read),
                "data": [one._asdict() for one in found],
                "has_more": more,
            }
        )
        return
    _print_occurrences([one._asdict() for one in found])
    for words in list_warnings(read):
        say(words)


def _print(shown: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(shown)
        return
    say(f"{shown['id']}: {shown['rrule']} from {shown['starts_at']} ({shown['timezone']})")
    say(f"{shown['content']}  ({len(shown['account_ids'])} account(s))")
    _print_occurrences(shown["upcoming"])
    for words in shown["warnings"]:
        say(words)


def _print_occurrences(rows: Sequence[Mapping[str, Any]]) -> None:
    print_records(rows, ["occurrence", "scheduled_at", "note"])

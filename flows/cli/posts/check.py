"""`socialflow posts validate`: everything about a post before it is created."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.output import JsonOption, print_json, print_records, say
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
    VideosOption,
    read_when,
    read_wish_fields,
)
from warehouse.planning.check import check_post
from warehouse.planning.times import needs_lake
from warehouse.planning.wish import PostWish
from warehouse.shapes import read_shape

if TYPE_CHECKING:
    from warehouse.planning.check import PostCheck


class _Undo(Exception):  # noqa: N818 (not an error: it ends a transaction that must not be saved)
    """Rolls back the transaction, of which given files are a part."""


def _undo() -> None:
    raise _Undo


def validate(
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
    draft: Annotated[bool, typer.Option("--draft", help="Validate it as a draft.")] = False,
    client_ref: ClientRefOption = None,
    allow_duplicate: DuplicateOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check a post without saving it. Shows per account the exact texts, counts and limits, and all problems.

    The exit code is 1 if the post is not valid.
    """
    with naming_options():
        fields = read_wish_fields(
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
        wish = read_shape(
            PostWish,
            {
                **fields.given,
                "scheduled_at": when,
                "timezone": timezone,
                "experiment": experiment,
                "status": "draft" if draft else None,
                "allow_duplicate": allow_duplicate,
            },
        )
    check: PostCheck | None = None
    try:
        with open_planner_with(fields.images, with_lake=needs_lake(when)) as context:
            check = check_post(context, wish)
            _undo()
    except _Undo:
        pass
    assert check is not None  # noqa: S101 (the block always ends with _Undo, after the check)
    if as_json:
        print_json(asdict(check))
    else:
        _tell(check)
    if not check.valid:
        raise typer.Exit(1)


def _tell(check: PostCheck) -> None:
    rows = [
        {"platform": one["platform"], "account": one["handle"], **part}
        for one in check.publications
        for part in one["parts"]
    ]
    print_records(rows, ["platform", "account", "kind", "length", "limit", "unit", "text"])
    for entry in check.problems:
        say(f"{entry['pointer'] or '/'}: {entry['detail']}")
    for words in check.warnings:
        say(words)
    if not check.valid:
        say("the post is not valid")
    elif check.problems:
        say("the draft can be saved; correct the above before you schedule it; nothing was saved")
    else:
        say("the post is valid; nothing was saved")

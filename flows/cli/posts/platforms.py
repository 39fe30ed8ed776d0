"""`socialflow platforms`: limits and options of every platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.output import JsonOption, print_details, print_json, print_records
from warehouse.planning.platforms import describe_platforms
from warehouse.platforms import parse_platform

if TYPE_CHECKING:
    from collections.abc import Iterator

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def platforms(
    *,
    platform: Annotated[
        str | None, typer.Option(help="Only this platform, with its options for --option.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show every platform's limits; with --platform also its options, their values and defaults."""
    found = describe_platforms(parse_platform(platform) if platform else None)
    if as_json:
        print_json(found)
        return
    if platform is None:
        print_records([_summarize(one) for one in found], ["platform", "text", "media", "options"])
        return
    (shown,) = found
    print_details({name: value for name, value in shown.items() if not name.startswith("options")})
    rows = [
        {**one, "name": f"{shown['platform']}.{one['name']}", "choices": "|".join(map(str, one["choices"]))}
        for one in shown["options"]
    ]
    print_records(rows, ["name", "type", "choices", "default", "description"])


def _summarize(one: dict[str, Any]) -> dict[str, Any]:
    text, media = one["text"], one["media"]
    return {
        "platform": one["platform"],
        "text": f"{text['limit']} {text['unit']}",
        "media": ", ".join(_count_media(media)),
        "options": ", ".join(option["name"] for option in one["options"]),
    }


def _count_media(media: dict[str, Any]) -> Iterator[str]:
    for name, number in (("picture", media["max_images"]), ("video", media["max_videos"])):
        if number:
            yield f"{number} {name}" if number == 1 else f"{number} {name}s"
    if media["required"]:
        yield "required"

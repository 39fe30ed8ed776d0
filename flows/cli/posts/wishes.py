"""Parse the options of `posts create|edit` and `recurrences create|edit` into post fields."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.arguments import require_choice
from flows.cli.moments import FORMS, write_time
from flows.cli.posts.planner import read_image
from flows.settings import FlowSettings
from warehouse.errors import InvalidInputError
from warehouse.planning.option_texts import add_option
from warehouse.planning.times import OPTIMAL, QUEUE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flows.cli.posts.planner import Image

PART_NAMES = ("image", "video", "alt-text", "after")
"""What --part may say about a part."""
MAX_OPTIONS_BYTES = 100_000
"""Maximum size of an --options-file."""

PlatformsOption = Annotated[
    list[str] | None,
    typer.Option("--platform", help="All connected accounts of this platform; repeat the option."),
]
AccountsOption = Annotated[
    list[str] | None, typer.Option("--account", help="One account by its id; repeat the option.")
]
AtOption = Annotated[
    str | None,
    typer.Option(
        "--at",
        help=f"{FORMS}; without offset in --timezone, else in the workspace's zone. "
        '"optimal": the next best free time.',
    ),
]
QueueOption = Annotated[
    bool, typer.Option("--queue", help="At the next free slot of the accounts' queues, instead of --at.")
]
TimezoneOption = Annotated[str | None, typer.Option("--timezone", help="IANA zone of --at.")]
ExperimentOption = Annotated[
    bool,
    typer.Option(
        "--experiment/--no-experiment", help="With --at optimal: an experiment may choose the time."
    ),
]
LinkOption = Annotated[str | None, typer.Option("--link", help="Web address shown with the post.")]
ImagesOption = Annotated[
    list[str] | None,
    typer.Option("--image", help="Picture file, public address, or upload:ID; repeat the option."),
]
VideosOption = Annotated[
    list[str] | None,
    typer.Option("--video", help="Video file, public address, or upload:ID; repeat the option."),
]
DocumentsOption = Annotated[
    list[str] | None,
    typer.Option("--document", help="PDF file, public address, or upload:ID (LinkedIn)."),
]
AltTextsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--alt-text", help="Alt text of the first --image; repeat it for the others, in their order."
    ),
]
ThreadOption = Annotated[
    list[str] | None,
    typer.Option("--thread", help="A post that follows the first one, as a reply; repeat the option."),
]
FirstCommentOption = Annotated[
    str | None, typer.Option("--first-comment", help="A comment under the post, from the same account.")
]
PartsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--part",
        metavar="PART.NAME=VALUE",
        help="More about a part: 2.image=FILE, 2.video=FILE, 2.alt-text=TEXT or 2.after=10m of the first --thread, "
        "3.image=FILE of the second, comment.image=FILE of the first comment; repeat the option.",
    ),
]
VariantsOption = Annotated[
    list[str] | None,
    typer.Option("--variant", metavar="PLATFORM=TEXT", help="Text for one platform; repeat the option."),
]
OptionsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="PLATFORM.NAME=VALUE",
        help="An option of one platform, such as youtube.privacy=unlisted; repeat it. "
        "`socialflow platforms` lists all.",
    ),
]
OptionsFileOption = Annotated[
    Path | None,
    typer.Option("--options-file", metavar="FILE", help="JSON file with options: {platform: {name: value}}."),
]
ClientRefOption = Annotated[
    str | None, typer.Option("--client-ref", help="Your own reference, shown with the post.")
]
DuplicateOption = Annotated[bool, typer.Option("--allow-duplicate", help="Allow the same content again.")]
VersionOption = Annotated[
    int | None,
    typer.Option("--if-version", help="Change it only if it still has this version."),
]


@dataclass(slots=True)
class WishFields:
    """Post fields given as options, and the files among their media."""

    given: dict[str, Any]
    images: list[Image] = field(default_factory=list)

    def identity(self) -> dict[str, Any]:
        """Return the fields with file checksums instead of upload ids, which are new each time."""
        named = {one.url: one.checked.sha256 for one in self.images if one.checked is not None}
        given = {**self.given, "media": self.given.get("media", [])}
        found: dict[str, Any] = _rename(given, named)
        return found


def read_wish_fields(
    *,
    content: str | None,
    platforms: Sequence[str] | None,
    accounts: Sequence[str] | None,
    link: str | None,
    images: Sequence[str] | None,
    videos: Sequence[str] | None,
    documents: Sequence[str] | None,
    alt_texts: Sequence[str] | None,
    thread: Sequence[str] | None,
    first_comment: str | None,
    parts: Sequence[str] | None,
    variants: Sequence[str] | None,
    options: Sequence[str] | None,
    options_file: Path | None,
    client_ref: str | None,
) -> WishFields:
    """Return the fields of the given options; an omitted option is left out. Raises InvalidInputError."""
    given = {
        "content": content,
        "platforms": list(platforms or ()) or None,
        "account_ids": list(accounts or ()) or None,
        "link": link,
        "thread": list(thread or ()) or None,
        "first_comment": first_comment,
        "variants": _read_variants(variants or ()) or None,
        "options": _read_options(options or (), options_file) or None,
        "client_ref": client_ref,
    }
    wish = WishFields({name: value for name, value in given.items() if value is not None})
    most = FlowSettings().api_max_upload_bytes
    media: list[dict[str, Any]] = []
    for kind, values in (("image", images or ()), ("video", videos or ()), ("document", documents or ())):
        for value in values:
            # Check files before opening a store, so that invalid ones are reported at once.
            one = read_image(value, max_bytes=most)
            wish.images.append(one)
            media.append({"url": one.url, "kind": kind})
    if len(alt_texts or ()) > len(media):
        raise InvalidInputError(
            f"{len(alt_texts or ())} --alt-text, but {len(media)} --image: give one for each image at most",
            field="media",
            code="too_many_alt_texts",
        )
    for item, text in zip(media, alt_texts or (), strict=False):
        item["alt_text"] = text
    if media:
        wish.given["media"] = media
    for text in parts or ():
        _add_to_part(wish, text, most)
    return wish


def _rename(value: Any, named: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON with each medium's URL that is in `named` replaced."""
    if isinstance(value, dict):
        return {
            name: named.get(item, item) if name == "url" and isinstance(item, str) else _rename(item, named)
            for name, item in value.items()
        }
    return [_rename(item, named) for item in value] if isinstance(value, list) else value


def _add_to_part(wish: WishFields, text: str, most: int) -> None:
    """Add one --part to the fields: media or a delay of a part of the thread, or of the first comment."""
    path, equals, value = text.partition("=")
    place, _, name = path.strip().partition(".")
    if not equals or name not in PART_NAMES:
        raise InvalidInputError(
            f"{text!r} is not understood: write PART.NAME=VALUE, such as 2.image=photo.jpg or comment.after=10m; names "
            f"are {', '.join(PART_NAMES)}",
            field="part",
        )
    part = _find_part(wish.given, place, text)
    if name == "after":
        part["after"] = value
        return
    media = part.setdefault("media", [])
    if name != "alt-text":
        one = read_image(value, max_bytes=most)
        wish.images.append(one)
        media.append({"url": one.url, "kind": name})
        return
    bare = next((item for item in media if "alt_text" not in item), None)
    if bare is None:
        raise InvalidInputError(
            f"{text!r}: give the alt text after its picture, one for each at most", field="part"
        )
    bare["alt_text"] = value


def _find_part(given: dict[str, Any], place: str, text: str) -> dict[str, Any]:
    """Return the fields of a part, as an object: "2" is the first part of the thread."""
    if place == "comment" and given.get("first_comment") is not None:
        said = given["first_comment"]
        given["first_comment"] = said if isinstance(said, dict) else {"text": said}
        found: dict[str, Any] = given["first_comment"]
        return found
    thread = given.get("thread") or []
    number = int(place) - 2 if place.isascii() and place.isdigit() and len(place) < 4 else -1
    if not 0 <= number < len(thread):
        raise InvalidInputError(
            f"{text!r} names no part of this post: 2 is the first --thread, comment the --first-comment",
            field="part",
        )
    if not isinstance(thread[number], dict):
        thread[number] = {"text": thread[number]}
    of_thread: dict[str, Any] = thread[number]
    return of_thread


def read_when(at: str | None, *, queue: bool, timezone: str | None = None) -> str | None:
    """Return `scheduled_at` from --at or --queue. Raises InvalidInputError if both are given."""
    if queue and at is not None and at.strip().lower() != QUEUE:
        raise InvalidInputError(
            "give --at or --queue, one of them", field="scheduled_at", code="conflicting_time"
        )
    if queue or at is None:
        return QUEUE if queue else None
    return write_time(at, timezone, also=(OPTIMAL, QUEUE))


def clear_fields(
    names: Sequence[str], given: Mapping[str, Any], *, more: Mapping[str, tuple[str, Any]]
) -> dict[str, Any]:
    """Return the fields to clear; `more` adds names to the common ones: (field, empty value).

    Raises InvalidInputError for an unknown name, or a field that is also set.
    """
    empty: dict[str, tuple[str, Any]] = {
        "link": ("link", None),
        "media": ("media", []),
        "thread": ("thread", []),
        "first_comment": ("first_comment", None),
        "options": ("options", {}),
        "variants": ("variants", {}),
        "client_ref": ("client_ref", None),
        **more,
    }
    cleared = {}
    for name in names:
        require_choice(name, empty, field="clear")
        field_name, value = empty[name]
        if field_name in given:
            raise InvalidInputError(
                f"--clear {name} and a new value contradict each other: give one of them", field="clear"
            )
        cleared[field_name] = value
    return cleared


def _read_options(texts: Sequence[str], file: Path | None) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if file is not None:
        try:
            with file.open("rb") as opened:
                options = json.loads(opened.read(MAX_OPTIONS_BYTES))
        except OSError as error:
            words = error.strerror or type(error).__name__
            raise InvalidInputError(f"{file}: {words}", field="options") from None
        except ValueError as error:
            raise InvalidInputError(f"{file} is not JSON: {error}", field="options") from None
        if not isinstance(options, dict) or not all(isinstance(item, dict) for item in options.values()):
            raise InvalidInputError(f"{file} must hold {{platform: {{name: value}}}}", field="options")
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals:
            raise InvalidInputError(
                f"{text!r} is not an option: write PLATFORM.NAME=VALUE, such as youtube.privacy=unlisted",
                field="options",
            )
        add_option(options, path, value)
    return options


def _read_variants(texts: Sequence[str]) -> dict[str, dict[str, str]]:
    variants: dict[str, dict[str, str]] = {}
    for text in texts:
        platform, equals, content = text.partition("=")
        if not equals or not platform.strip():
            raise InvalidInputError(
                f"{text!r} is not a variant: write PLATFORM=TEXT, such as mastodon=Hello", field="variants"
            )
        if platform.strip() in variants:
            raise InvalidInputError(
                f"{platform.strip()} is given twice: give one text for each platform", field="variants"
            )
        variants[platform.strip()] = {"content": content}
    return variants

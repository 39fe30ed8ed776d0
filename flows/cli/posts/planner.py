"""Open `warehouse.planning` for commands: context, files for `--image`, errors that name the option."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.settings import ConnectorSettings
from connectors.types import UPLOAD_PREFIX
from warehouse.errors import InvalidInputError, InvalidShapeError
from warehouse.media_files import open_media_files
from warehouse.planning.context import PlanningContext
from warehouse.planning.uploads import CheckedFile, check_file, keep_file
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.database import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from warehouse.lake.connect import Lake
    from warehouse.store.database import Session


@contextmanager
def open_planner(*, with_lake: bool = False, only_reads: bool = False) -> Iterator[PlanningContext]:
    """Open the store, and the lake if needed, and yield the planning context of one transaction.

    The lake is opened first, to keep the transaction short, and only on request, since DuckDB takes 40 MB and
    half a second (see `warehouse.planning.times.needs_lake`). Raises SetupError if there is no lake yet.
    """
    settings = WarehouseSettings()
    with ExitStack() as stack:
        lake = stack.enter_context(_open_lake(settings)) if with_lake else None
        store = stack.enter_context(Store.open(settings))
        now = datetime.now(UTC)
        with store.write() as session:
            workspace_id = ensure_default_workspace(session, now).id
            if not only_reads:
                yield _make_context(session, workspace_id, now, settings, lake)
        if only_reads:
            with store.read() as session:
                yield _make_context(session, workspace_id, now, settings, lake)


@dataclass(frozen=True, slots=True)
class Image:
    """One `--image` value: an address, or a local file with its checked properties."""

    url: str
    path: Path | None = None
    checked: CheckedFile | None = None


def read_image(value: str, *, max_bytes: int) -> Image:
    """Return the image of an `--image` value. Raises InvalidInputError that names the file."""
    if "://" in value or value.startswith(UPLOAD_PREFIX):
        return Image(value)
    path = Path(value).expanduser()
    try:
        with path.open("rb") as file:
            checked = check_file(file, filename=path.name, max_bytes=max_bytes, name=value)
    except OSError as error:
        raise InvalidInputError(
            f"{value} cannot be read ({error.strerror or type(error).__name__}): give a picture file, or an "
            "address that begins with https://",
            field="media",
        ) from None
    return Image(f"{UPLOAD_PREFIX}{checked.media_id}", path, checked)


@contextmanager
def open_planner_with(images: Sequence[Image], *, with_lake: bool = False) -> Iterator[PlanningContext]:
    """Open the planner as `open_planner` does, and save and record the images' files as uploads.

    They are kept only if the block ends without an error.
    """
    with ExitStack() as stack:
        kept = []
        for image in images:
            if image.path is not None and image.checked is not None:
                file = stack.enter_context(image.path.open("rb"))
                media = open_media_files(WarehouseSettings())
                kept.append(stack.enter_context(keep_file(media, image.checked, file)))
        context = stack.enter_context(open_planner(with_lake=with_lake))
        for one in kept:
            one.record(context.session, context.workspace_id, context.now)
        yield context


OPTIONS: Mapping[str, str] = {
    "content": "--content",
    "platforms": "--platform",
    "account_ids": "--account",
    "scheduled_at": "--at",
    "timezone": "--timezone",
    "link": "--link",
    "thread": "--thread",
    "first_comment": "--first-comment",
    "options": "--option",
    "variants": "--variant",
    "client_ref": "--client-ref",
    "rrule": "--rule",
    "starts_at": "--starts-at",
    "exdates": "--skip",
    "media": "--image",
    "part": "--part",
    "file": "--image",
}
"""The command line option of each post field."""


@contextmanager
def naming_options(options: Mapping[str, str] = OPTIONS) -> Iterator[None]:
    """Prefix the message of an InvalidInputError about a field with the option's name."""
    try:
        yield
    except InvalidInputError as error:
        option = options.get(error.field.partition("/")[0])
        if option is None:
            raise
        # A validation message starts with the field name, which is replaced by the option's.
        words = error.entries[0]["detail"] if isinstance(error, InvalidShapeError) else error.message
        named = InvalidInputError(f"{option}: {words}", field=error.field, code=error.code)
        named.entries = error.entries
        raise named from error


def _make_context(
    session: Session, workspace_id: str, now: datetime, settings: WarehouseSettings, lake: Lake | None
) -> PlanningContext:
    def open_lake() -> Lake:
        if lake is None:
            raise RuntimeError("a command that may ask the lake opens the planner with_lake=True")
        return lake

    return PlanningContext(
        session=session,
        workspace_id=workspace_id,
        now=now,
        open_lake=open_lake,
        media_public_url=settings.media_public_url,
        allow_private_media=ConnectorSettings().allow_private_instances,
        recurrence_horizon=settings.recurrence_horizon,
    )


def _open_lake(settings: WarehouseSettings) -> Lake:
    from warehouse.lake.connect import Lake  # noqa: PLC0415 (DuckDB, only if needed)

    return Lake.open(settings, read_only=True)

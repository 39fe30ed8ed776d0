"""Which uploads are needed: by what is not sent yet, and by rules; and the bytes in an S3 bucket."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import httpx
import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr, ValidationError

from connectors.types import Media, PostContent
from tests.warehouse.conftest import NOON, World
from warehouse.errors import ConflictError, NotFoundError
from warehouse.media_files import open_media_files
from warehouse.scheduling.recurrence_rules import parse_rule
from warehouse.scheduling.recurrences import RecurrenceDraft, create_recurrence, delete_recurrence
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import create_workspace
from warehouse.store.models import AccountRow
from warehouse.store.posts.duplicates import Target
from warehouse.store.posts.media import (
    MediaUpload,
    add_upload,
    find_uploads,
    get_upload,
    list_uploads,
    new_media_id,
    remove_unused,
    remove_upload,
)
from warehouse.store.posts.posts import PostDraft, cancel_post, create_post, update_post

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LATER = NOON + timedelta(days=30)


def upload(world: World) -> str:
    media_id = new_media_id()
    with world.store.write() as session:
        add_upload(
            session,
            world.workspace_id,
            media_id,
            content_type="image/png",
            size=1,
            sha256="0" * 64,
            filename="a.png",
            now=NOON,
        )
    return media_id


def target(world: World, *media_ids: str) -> Target:
    media = tuple(Media(url=f"upload:{one}") for one in media_ids)
    with world.store.read() as session:
        account = session.get_one(AccountRow, world.accounts["twitter"])
    return Target(account, PostContent(text="see", media=media))


def post(world: World, *media_ids: str) -> str:
    draft = PostDraft("see", [target(world, *media_ids)], NOON, allow_duplicate=True)
    with world.store.write() as session:
        return create_post(session, world.workspace_id, draft, NOON).id


def clean(world: World) -> set[str]:
    with world.store.write() as session:
        return set(remove_unused(session, before=LATER))


def left(world: World) -> set[str]:
    with world.store.read() as session:
        return {row.id for row in session.query(MediaUpload)}


def test_what_is_needed_stays(world: World) -> None:
    unused, scheduled, canceled, replaced, by_rule = (upload(world) for _ in range(5))
    post(world, scheduled)
    gone = post(world, canceled)
    edited = post(world, replaced)
    rule = parse_rule("FREQ=DAILY", datetime.fromisoformat("2026-03-03T09:00"), ZoneInfo("UTC"))
    with world.store.write() as session:
        cancel_post(session, world.workspace_id, gone, NOON)
        draft = PostDraft("see", [target(world)], NOON, allow_duplicate=True)
        update_post(session, world.workspace_id, edited, draft, NOON)
        series = RecurrenceDraft(rule, "see", [target(world, by_rule)])
        # Not one of its posts is made yet: the rule itself needs the file.
        recurrence = create_recurrence(session, world.workspace_id, series, until=NOON, now=NOON).id
    with pytest.raises(ConflictError) as caught, world.store.write() as session:
        remove_upload(session, world.workspace_id, by_rule)
    assert caught.value.existing_id == recurrence
    assert clean(world) == {unused, canceled, replaced}
    assert left(world) == {scheduled, by_rule}
    with world.store.write() as session:
        delete_recurrence(session, world.workspace_id, recurrence, NOON, cancel_posts=True)
    assert clean(world) == {by_rule}


def test_a_young_upload_is_not_unused(world: World) -> None:
    young = upload(world)
    with world.store.write() as session:
        assert remove_unused(session, before=NOON) == []
    assert left(world) == {young}


def test_another_workspaces_upload_does_not_exist(world: World) -> None:
    mine = upload(world)
    with world.store.write() as session:
        other = create_workspace(session, name="Other", now=NOON).id
    with world.store.write() as session:
        for act in (get_upload, remove_upload):
            with pytest.raises(NotFoundError):
                act(session, other, mine)
        assert find_uploads(session, other, [mine]) == {}
        assert list_uploads(session, other) == ([], False)


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    httpx.put(f"http://{host}:{port}/media-bucket").raise_for_status()
    yield f"{host}:{port}"
    server.stop()


def test_a_bucket_keeps_and_forgets(s3_endpoint: str, tmp_path: Path) -> None:
    settings = WarehouseSettings(
        home=tmp_path,
        media_path="s3://media-bucket/uploads/",
        lake_s3_endpoint=s3_endpoint,
        lake_s3_access_key_id=SecretStr("testing"),
        lake_s3_secret_access_key=SecretStr("testing"),
        lake_s3_use_ssl=False,
    )
    files = open_media_files(settings)
    files.save("med_a", io.BytesIO(b"bytes" * 1000))
    # Another machine with the same settings reads it.
    with open_media_files(settings).open("med_a") as file:
        assert file.read() == b"bytes" * 1000
    files.remove("med_a")
    files.remove("med_a")
    with pytest.raises(NotFoundError), files.open("med_a"):
        pass


def test_an_address_of_another_kind_is_refused(tmp_path: Path) -> None:
    for name in ("media_path", "lake_data_path"):
        for place in ("ftp://example.com/x", "s3://", "s3://bucket//a", "s3://bucket/a?b", "S3://bucket/a"):
            with pytest.raises(ValidationError, match="neither a folder nor s3://bucket/prefix"):
                WarehouseSettings.model_validate({"home": tmp_path, name: place})

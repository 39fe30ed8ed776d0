"""From an upload to the platform: as bytes or as a URL; and the cleanup."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from PIL import Image

from connectors.capabilities import CAPABILITIES
from connectors.errors import ContentRejectedError
from connectors.http.media import MediaFetcher
from connectors.registry import ConnectorPool
from connectors.sandbox.app import create_sandbox_app
from connectors.settings import ConnectorSettings
from connectors.types import FitRule, FittedMedia, FollowUp, Media, Platform, PostContent
from flows.maintenance.nightly import remove_unused_uploads
from flows.publishing.publisher import run_publisher
from flows.uploads import Uploads
from tests.api.harness import PNG
from tests.connectors.harness import SANDBOX
from warehouse.errors import NotFoundError
from warehouse.media_files import name_fitted, open_media_files
from warehouse.store.models import AccountRow, Publication
from warehouse.store.posts.duplicates import Target
from warehouse.store.posts.media import MediaUpload, add_upload, new_media_id, public_path
from warehouse.store.posts.posts import PostDraft, cancel_post, create_post

if TYPE_CHECKING:
    from tests.connectors.harness import Clock
    from tests.flows.conftest import Floor


def add(floor: Floor, clock: Clock, content: bytes = PNG) -> str:
    media_id = new_media_id()
    open_media_files(floor.resources.warehouse).save(media_id, io.BytesIO(content))
    with floor.resources.store.write() as session:
        workspace_id = session.get_one(AccountRow, floor.accounts["twitter"].id).workspace_id
        add_upload(
            session,
            workspace_id,
            media_id,
            content_type="image/png",
            size=len(content),
            sha256="0" * 64,
            filename="a.png",
            now=clock(),
        )
    return media_id


def schedule(floor: Floor, clock: Clock, platform: str, media_id: str) -> str:
    account = floor.accounts[platform]
    content = PostContent(text="see", media=(Media(url=f"upload:{media_id}"),))
    with floor.resources.store.write() as session:
        draft = PostDraft("see", [Target(account, content)], clock(), allow_duplicate=True)
        return create_post(session, account.workspace_id, draft, clock()).id


def paint(size: tuple[int, int] = (400, 300)) -> bytes:
    file = io.BytesIO()
    Image.effect_noise(size, 90).convert("RGB").save(file, "PNG")
    return file.getvalue()


async def test_a_picture_is_converted_when_it_is_sent_and_the_original_stays(
    floor: Floor, clock: Clock
) -> None:
    """X takes 5,000,000 bytes; here, its limit is that of the request."""
    content = paint()
    media_id = add(floor, clock, content)
    uploads = Uploads(floor.resources.warehouse, floor.resources.store.cipher)
    rule = FitRule(frozenset({"image/jpeg"}), 40_000, None)
    item = FittedMedia(url=f"upload:{media_id}", rule=rule)
    async with httpx.AsyncClient() as client:
        fetcher = MediaFetcher(client, ConnectorSettings(), uploads)
        async with fetcher.fetch(item, max_bytes=50_000) as media:
            assert (media.content_type, media.name) == ("image/jpeg", "media.jpeg")
            assert media.size <= 40_000
            assert len(media.file.read()) == media.size
        with pytest.raises(ContentRejectedError, match="larger than the 50,000 bytes"):
            async with fetcher.fetch(Media(url=f"upload:{media_id}"), kind="image", max_bytes=50_000):
                pass
    with uploads.open(media_id) as file:
        assert file.read() == content


def test_a_platform_that_fetches_gets_the_address_of_the_converted_picture(
    floor: Floor, clock: Clock
) -> None:
    settings = floor.resources.warehouse.model_copy(update={"media_public_url": "https://social.example"})
    files, cipher = open_media_files(settings), floor.resources.store.cipher
    media_id = add(floor, clock, paint())
    pool = ConnectorPool(ConnectorSettings(), uploads=Uploads(settings, cipher))
    content = PostContent(
        text="see", media=(Media(url=f"upload:{media_id}"),), first_comment=FollowUp(text="And"), fit=True
    )
    plain = pool.address_uploads(Platform.INSTAGRAM, content)
    assert plain.media[0].url == f"https://social.example{public_path(cipher, media_id)}"
    (item,) = pool.address_uploads(Platform.INSTAGRAM, content, convert=True).media
    fitted_id = name_fitted(media_id, CAPABILITIES[Platform.INSTAGRAM].fit_rule)
    assert item.url == f"https://social.example{public_path(cipher, fitted_id)}"
    with files.open(fitted_id) as file:
        first = file.read()
    assert Image.open(io.BytesIO(first)).format == "JPEG"
    pool.address_uploads(Platform.INSTAGRAM, content, convert=True)
    with files.open(fitted_id) as file:
        assert file.read() == first
    (item,) = pool.address_uploads(Platform.TELEGRAM, content, convert=True).media
    assert item.url == plain.media[0].url, "it fits there as it is"
    files.remove(media_id)
    for name in (media_id, fitted_id):
        with pytest.raises(NotFoundError), files.open(name):
            pass


def test_media_files_are_whole_or_not_there(floor: Floor) -> None:
    files = open_media_files(floor.resources.warehouse)

    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            raise OSError("the client went away")

    with pytest.raises(OSError, match="went away"):
        files.save("med_broken", Broken())
    with pytest.raises(Exception, match="gone"), files.open("med_broken"):
        pass
    assert list((floor.resources.warehouse.home / "media").iterdir()) == []
    files.remove("med_broken")


async def test_a_fetcher_reads_an_upload_within_the_platforms_limit(floor: Floor, clock: Clock) -> None:
    media_id = add(floor, clock)
    uploads = Uploads(floor.resources.warehouse, floor.resources.store.cipher)
    async with httpx.AsyncClient() as client:
        fetcher = MediaFetcher(client, ConnectorSettings(), uploads)
        async with fetcher.fetch(Media(url=f"upload:{media_id}"), kind="image", max_bytes=1000) as media:
            assert (media.file.read(), media.content_type, media.size) == (PNG, "image/png", len(PNG))
        for url, most, words in (
            (f"upload:{media_id}", 10, "larger"),
            ("upload:med_none", 10, "upload it again"),
        ):
            with pytest.raises(ContentRejectedError, match=words):
                async with fetcher.fetch(Media(url=url), kind="image", max_bytes=most):
                    pass


@pytest.mark.parametrize(
    ("platform", "status", "words"),
    [("mastodon", "published", ""), ("instagram", "failed", "SOCIALFLOW_MEDIA_PUBLIC_URL")],
)
async def test_the_publisher_sends_an_upload_or_says_why_it_cannot(
    floor: Floor, clock: Clock, platform: str, status: str, words: str
) -> None:
    post_id = schedule(floor, clock, platform, add(floor, clock))
    settings = ConnectorSettings(
        instagram_base_url=SANDBOX, allow_private_instances=True, read_attempts=1, request_timeout=5
    )
    uploads = Uploads(floor.resources.warehouse, floor.resources.store.cipher)
    transport = httpx.ASGITransport(create_sandbox_app(floor.world))
    async with ConnectorPool(settings, transport=transport, clock=clock, uploads=uploads) as pool:
        await run_publisher(
            floor.resources.store, pool, horizon=timedelta(0), max_lateness=timedelta(hours=1), clock=clock
        )
    with floor.resources.store.read() as session:
        row = session.query(Publication).filter_by(post_id=post_id).one()
        assert row.status == status, row.reason
        assert words in (row.reason or "")
        # What was scheduled is what is kept: an address is made anew for each attempt.
        assert row.content["media"][0]["url"].startswith("upload:")


def test_a_platform_that_fetches_gets_an_address_and_others_the_upload(floor: Floor, clock: Clock) -> None:
    media_id = add(floor, clock)
    content = PostContent(media=(Media(url=f"upload:{media_id}"), Media(url="https://example.com/a.jpg")))
    cipher = floor.resources.store.cipher
    settings = floor.resources.warehouse.model_copy(update={"media_public_url": "https://social.example"})
    pool = ConnectorPool(ConnectorSettings(), uploads=Uploads(settings, cipher))
    addressed = pool.address_uploads(Platform.INSTAGRAM, content)
    assert [item.url for item in addressed.media] == [
        "https://social.example" + public_path(cipher, media_id),
        "https://example.com/a.jpg",
    ]
    assert pool.address_uploads(Platform.MASTODON, content) == content
    without = ConnectorPool(ConnectorSettings(), uploads=Uploads(floor.resources.warehouse, cipher))
    with pytest.raises(ContentRejectedError, match="SOCIALFLOW_MEDIA_PUBLIC_URL"):
        without.address_uploads(Platform.INSTAGRAM, content)


def test_unused_uploads_are_removed_once_they_are_old(floor: Floor, clock: Clock) -> None:
    unused, needed, canceled = (add(floor, clock) for _ in range(3))
    schedule(floor, clock, "twitter", needed)
    post_id = schedule(floor, clock, "twitter", canceled)
    with floor.resources.store.write() as session:
        cancel_post(session, floor.accounts["twitter"].workspace_id, post_id, clock())
    later = clock() + timedelta(days=6)
    assert remove_unused_uploads(floor.resources, later) == 0
    assert remove_unused_uploads(floor.resources, later + timedelta(days=2)) == 2
    files = open_media_files(floor.resources.warehouse)
    with floor.resources.store.read() as session:
        assert [row.id for row in session.query(MediaUpload)] == [needed]
    for gone in (unused, canceled):
        with pytest.raises(Exception, match="gone"), files.open(gone):
            pass
    with files.open(needed) as file:
        assert file.read() == PNG

"""Parts with a delay: the post is published at its time, each later part after its wait, and none twice."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from connectors.types import FollowUp, Media, Platform, PostContent
from flows.publishing.settings import PublisherSettings
from flows.publishing.store_writer import StoreWriter
from tests.connectors.harness import SANDBOX
from tests.connectors.publishing_harness import Desk
from warehouse.errors import ConflictError
from warehouse.planning.views import describe_publication
from warehouse.store.models import AccountRow, Post, Publication
from warehouse.store.posts.media import MediaUse, add_upload, remove_unused
from warehouse.store.posts.posts import cancel_post, list_possible_actions, resolve_publication, retry_post
from warehouse.store.publishing.ledger import list_events, verify_ledger
from warehouse.store.publishing.queue_state import get_queue_state
from warehouse.store.publishing.story import tell_story
from warehouse.store.publishing.unpublishing import begin_unpublishing

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.conftest import Floor

PHOTO = Media(url=f"{SANDBOX}/_sandbox/media/photo.png")
THREAD = PostContent(
    text="One",
    thread=(
        FollowUp(text="Two", after="10m", media=(PHOTO,)),
        FollowUp(text="Three"),
        FollowUp(text="Four", after="1h"),
    ),
)
QUICK = PublisherSettings(poll=timedelta(milliseconds=1), settle=timedelta(seconds=20))


def open_desk(floor: Floor, platform: str = "twitter") -> Desk:
    return Desk(floor.resources.store, floor.pool, floor.clock, floor.accounts[platform].id, QUICK)


def said(floor: Floor, platform: str = "twitter") -> list[str]:
    posts = floor.world.published(Platform(platform), via="api")
    return [post.text for post in sorted(posts, key=lambda post: post.number)]


async def work_for(desk: Desk, publication: str, *, minutes: float) -> Publication:
    """Let publishers work whenever something is due, for that much time."""
    end = desk.clock() + timedelta(minutes=minutes)
    while True:
        await desk.work()
        row = desk.get(publication)
        following = min(filter(None, (row.due_at, row.lease_until)), default=end)
        if desk.clock() >= end or (following >= end and row.status == "published"):
            desk.clock.now = end
            return row
        desk.clock.now = min(end, max(desk.clock() + timedelta(seconds=1), following))


def story_of(desk: Desk, publication: str) -> list[str]:
    with desk.store.read() as session:
        row = session.get_one(Publication, publication)
        return tell_story(session, row, list_events(session, publication), desk.clock())


def post_status(desk: Desk, publication: str) -> str:
    with desk.store.read() as session:
        return session.get_one(Post, session.get_one(Publication, publication).post_id).status


@pytest.mark.parametrize("platform", ["twitter", "mastodon", "bluesky"])
async def test_each_part_follows_after_its_wait(floor: Floor, platform: str) -> None:
    desk = open_desk(floor, platform)
    publication, start = desk.schedule(THREAD), floor.clock()
    await desk.work()
    row = desk.get(publication)
    assert (row.status, row.rest, row.rest_at) == ("published", "waiting", start + timedelta(minutes=10))
    assert row.published_at == start
    assert row.next_snapshot_at is not None, "its metrics are read from the first part on"
    assert post_status(desk, publication) == "published"
    assert describe_publication(row)["later_parts"] == {
        "status": "waiting", "published": 1, "total": 4, "next_part_at": start + timedelta(minutes=10),
    }  # fmt: skip
    assert said(floor, platform) == ["One"]
    assert story_of(desk, publication)[-1].endswith(
        f"Part 2 of 4 follows at {row.rest_at:%Y-%m-%d %H:%M:%S}Z."
    )
    row = await work_for(desk, publication, minutes=9)
    assert said(floor, platform) == ["One"], "too early"
    row = await work_for(desk, publication, minutes=2)
    assert said(floor, platform) == ["One", "Two", "Three"]
    receipt = row.external_id
    row = await work_for(desk, publication, minutes=61)
    assert said(floor, platform) == ["One", "Two", "Three", "Four"]
    assert (row.status, row.rest, row.rest_at, row.due_at) == ("published", None, None, None)
    assert row.external_id == receipt
    assert desk.events(publication)[1:] == [
        *("claimed", "sending", "published"), *("claimed", "sending", "part_published") * 2
    ]  # fmt: skip
    await work_for(desk, publication, minutes=120)
    assert len(said(floor, platform)) == 4
    times = [post.created for post in floor.world.published(Platform(platform), via="api")]
    assert max(times) - min(times) >= 4200


class Reaper:
    """Lets the process die right after the commit with a given number, which is right before the next request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, death: type[BaseException]) -> None:
        self._death, self.commits, self._at = death, 0, 0
        for name in ("begin", "save_state", "record"):
            monkeypatch.setattr(StoreWriter, name, self._wrap(getattr(StoreWriter, name)))

    def wait_for(self, at: int) -> None:
        self.commits, self._at = 0, at

    def _wrap(self, real: Callable[..., Any]) -> Callable[..., Any]:
        async def step(writer: StoreWriter, *given: Any) -> Any:
            self.commits += 1
            mine = self.commits == self._at
            answer = await real(writer, *given)
            if mine:
                raise self._death
            return answer

        return step


async def test_a_death_at_any_commit_neither_loses_nor_doubles_a_part(
    floor: Floor, monkeypatch: pytest.MonkeyPatch, death: type[BaseException]
) -> None:
    desk, reaper = open_desk(floor), Reaper(monkeypatch, death)
    for at in range(1, 10):
        name = f"number {at}"
        reaper.wait_for(at)
        thread = (FollowUp(text=f"Two {name}", after=600),)
        comment = FollowUp(text=f"And {name}", after=600)
        publication = desk.schedule(PostContent(text=f"One {name}", thread=thread, first_comment=comment))
        row = await work_for(desk, publication, minutes=45)
        assert reaper.commits >= at, "it died"
        ours = [text for text in said(floor) if text.endswith(name)]
        assert ours == [f"One {name}", f"Two {name}", f"And {name}"]
        assert (row.status, row.rest) == ("published", None)
        with desk.store.read() as session:
            assert verify_ledger(session, publication) == []
        assert "duplicate" not in desk.events(publication)


@pytest.mark.parametrize("kind", ["reset_after", "reset_before", "error_500_after", "error_500_before"])
async def test_a_lost_answer_to_a_later_part_is_looked_up(floor: Floor, kind: str) -> None:
    desk = open_desk(floor)
    publication = desk.schedule(PostContent(text="One", thread=(FollowUp(text="Two", after="10m"),)))
    await work_for(desk, publication, minutes=9)
    floor.fault(kind, "twitter", "publish")
    row = await work_for(desk, publication, minutes=10)
    assert said(floor) == ["One", "Two"]
    assert (row.status, row.rest) == ("published", None)


async def test_a_refused_later_part_leaves_the_post_published_and_can_be_retried(floor: Floor) -> None:
    desk = open_desk(floor, "mastodon")
    publication = desk.schedule(PostContent(text="One", thread=(FollowUp(text="Two", after="10m"),)))
    await desk.work()
    floor.fault("forbidden", "mastodon", "publish", count=1)
    row = await work_for(desk, publication, minutes=12)
    assert (row.status, row.rest, row.due_at) == ("published", "failed", None)
    assert post_status(desk, publication) == "partially_published"
    assert "part_failed" in desk.events(publication)
    assert "Part 2 of 2 failed" in story_of(desk, publication)[-1]
    with desk.store.read() as session:
        assert get_queue_state(session, desk.clock()).failed_parts == 1
    await work_for(desk, publication, minutes=200)
    assert said(floor, "mastodon") == ["One"], "the first part is not sent again"
    with desk.store.write() as session:
        post = session.get_one(Post, row.post_id)
        assert "retry" in list_possible_actions(post, [session.get_one(Publication, publication)])
        retry_post(session, row.workspace_id, row.post_id, desk.clock())
    row = await work_for(desk, publication, minutes=5)
    assert said(floor, "mastodon") == ["One", "Two"]
    assert (row.status, row.rest) == ("published", None)
    assert post_status(desk, publication) == "published"


async def test_a_rate_limit_delays_a_later_part(floor: Floor) -> None:
    desk = open_desk(floor)
    publication = desk.schedule(PostContent(text="One", thread=(FollowUp(text="Two", after="10m"),)))
    await desk.work()
    floor.fault("rate_limited", "twitter", "publish")
    await work_for(desk, publication, minutes=10.2)
    row = desk.get(publication)
    assert (row.status, row.rest, row.reason_code) == ("published", "waiting", "rate_limited")
    assert "next try" in story_of(desk, publication)[-1]
    row = await work_for(desk, publication, minutes=20)
    assert (row.rest, said(floor)) == (None, ["One", "Two"])


async def test_cancelling_in_between_leaves_the_later_parts_out(floor: Floor) -> None:
    desk = open_desk(floor)
    publication = desk.schedule(THREAD)
    await desk.work()
    row = desk.get(publication)
    with desk.store.write() as session:
        cancel_post(session, row.workspace_id, row.post_id, desk.clock())
    row = await work_for(desk, publication, minutes=120)
    assert (row.status, row.rest, said(floor)) == ("published", "canceled", ["One"])
    assert post_status(desk, publication) == "published"
    assert "Parts 2 to 4 of 4 will not be sent." in story_of(desk, publication)[-1]
    with desk.store.write() as session, pytest.raises(ConflictError, match="nothing left to cancel"):
        cancel_post(session, row.workspace_id, row.post_id, desk.clock())


async def test_unpublishing_in_between_leaves_the_later_parts_out(floor: Floor) -> None:
    desk = open_desk(floor)
    publication = desk.schedule(THREAD)
    await desk.work()
    row = desk.get(publication)
    with desk.store.write() as session:
        (deletion,) = begin_unpublishing(session, row.workspace_id, row.post_id, (), desk.clock())
    assert deletion.refusal is None
    row = await work_for(desk, publication, minutes=120)
    assert (row.rest, said(floor)) == ("canceled", ["One"])
    assert desk.events(publication)[-2:] == ["parts_canceled", "unpublish_requested"]


@pytest.mark.parametrize(
    ("decision", "texts", "rest"), [("send", ["One", "Two"], None), ("discard", ["One"], "canceled")]
)
async def test_a_part_that_is_far_too_late_waits_for_a_decision(
    floor: Floor, decision: str, texts: list[str], rest: str | None
) -> None:
    desk = open_desk(floor)
    publication = desk.schedule(PostContent(text="One", thread=(FollowUp(text="Two", after="10m"),)))
    await desk.work()
    floor.clock.advance(hours=3)
    with desk.store.read() as session:
        assert get_queue_state(session, desk.clock()).late == 1
    await desk.work()
    row = desk.get(publication)
    assert (row.status, row.reason_code) == ("needs_review", "too_late")
    assert row.external_id is not None
    with desk.store.write() as session:
        resolve_publication(session, row.workspace_id, row.post_id, publication, decision, desk.clock())
    row = await work_for(desk, publication, minutes=5)
    assert (row.status, row.rest, said(floor)) == ("published", rest, texts)


async def test_a_part_of_a_revoked_account_fails_and_the_post_stays_published(floor: Floor) -> None:
    desk = open_desk(floor)
    publication = desk.schedule(PostContent(text="One", thread=(FollowUp(text="Two", after="10m"),)))
    await desk.work()
    with desk.store.write() as session:
        session.get_one(AccountRow, desk.account_id).status = "revoked"
    row = await work_for(desk, publication, minutes=12)
    assert (row.status, row.rest, row.reason_code) == ("published", "failed", "account_revoked")


async def test_uploads_of_later_parts_are_kept_until_they_are_sent(floor: Floor) -> None:
    desk = open_desk(floor)
    publication = desk.schedule(PostContent(text="One", thread=(FollowUp(text="Two", after="10m"),)))
    await desk.work()
    later = desk.clock() + timedelta(days=1)
    with desk.store.write() as session:
        row = session.get_one(Publication, publication)
        add_upload(
            session, row.workspace_id, "med_1", content_type="image/png", size=1, sha256="0" * 64, filename="a.png",
            now=desk.clock(),
        )  # fmt: skip
        session.add(MediaUse(media_id="med_1", owner_id=row.post_id, workspace_id=row.workspace_id))
        session.flush()
        assert remove_unused(session, before=later) == []
    await work_for(desk, publication, minutes=12)
    with desk.store.write() as session:
        assert session.scalars(select(Publication.rest).where(Publication.id == publication)).one() is None
        assert remove_unused(session, before=later) == ["med_1"]

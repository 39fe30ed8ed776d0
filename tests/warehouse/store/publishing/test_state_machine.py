"""Any interleaving of publishers, deaths, answers and people: each publication is accepted at most once.

A stateful hypothesis test over the real store on SQLite. The platform is a plain count of what it accepted, so that
the test knows the truth that the publishers have to find out.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import SecretStr
from sqlalchemy import select

from connectors.types import Credentials, Platform, PostContent, PublishedPost, VerifiedAccount
from warehouse.errors import ConflictError
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.database import Store
from warehouse.store.models import Post, Publication
from warehouse.store.posts.posts import PostDraft, Target, create_post
from warehouse.store.publishing.claims import claim_due, claim_unknown, release_claims
from warehouse.store.publishing.ledger import verify_ledger
from warehouse.store.publishing.outcomes import Outcome, begin_sending, record_outcomes
from warehouse.store.publishing.publications import (
    cancel_publication,
    derive_post_status,
    get_publication,
    resolve_review,
    retry_publication,
)
from warehouse.store.publishing.recovery import expire_leases, review_overdue

LEASE = timedelta(seconds=90)
OWNERS = st.sampled_from(["a", "b", "c"])


class PublishingMachine(RuleBasedStateMachine):
    """Publishers a, b and c, a person, and the truth."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = Store.open(WarehouseSettings(home=Path(self.folder.name)))
        self.now = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
        self.accepted: Counter[str] = Counter()
        self.claimed: dict[str, set[str]] = {"a": set(), "b": set(), "c": set()}
        self.looking: dict[str, set[str]] = {"a": set(), "b": set(), "c": set()}
        verified = VerifiedAccount("1", "someone", "Someone", Credentials(SecretStr("token")))
        with self.store.write() as session:
            workspace = ensure_default_workspace(session, self.now)
            self.workspace_id = workspace.id
            self.account = connect_account(
                session, self.store.cipher, workspace.id, verified, Platform.MASTODON, self.now
            )

    @initialize()
    def two_posts(self) -> None:
        self.schedule(0)
        self.schedule(0)

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @rule(delay=st.integers(0, 60))
    def schedule(self, delay: int) -> None:
        content = PostContent(text="hello")
        draft = PostDraft(
            content="hello",
            targets=[Target(account=self.account, content=content)],
            scheduled_at=self.now + timedelta(seconds=delay),
            allow_duplicate=True,
        )
        with self.store.write() as session:
            create_post(session, self.workspace_id, draft, self.now)

    @rule(seconds=st.sampled_from([1, 10, 100, 100, 100, 2000]), house=st.booleans())
    def time_passes(self, seconds: int, house: bool) -> None:  # noqa: FBT001 (hypothesis passes by name)
        self.now += timedelta(seconds=seconds)
        if house:
            self.keep_house()

    @rule(owner=OWNERS)
    def claim(self, owner: str) -> None:
        with self.store.write() as session:
            rows = claim_due(
                session,
                owner=owner,
                now=self.now,
                horizon=self.now + timedelta(seconds=10),
                limit=2,
                lease=LEASE,
            )
        self.claimed[owner] |= {row.id for row in rows}

    @rule(
        owner=OWNERS,
        accepts=st.booleans(),
        answer=st.sampled_from(["receipt", "lost", "refused", "death", "death"]),
    )
    def send(self, owner: str, accepts: bool, answer: str) -> None:  # noqa: FBT001 (hypothesis passes by name)
        if not self.claimed[owner]:
            self.claim(owner)
        if not self.claimed[owner]:
            return
        publication = min(self.claimed[owner])
        self.claimed[owner].discard(publication)
        with self.store.write() as session:
            granted = begin_sending(
                session, [publication], owner=owner, now=self.now, lease_until=self.now + LEASE
            )
        if publication not in granted:
            return
        if answer == "receipt" or (accepts and answer in {"lost", "death"}):
            self.accepted[publication] += 1
        if answer == "receipt":
            self._record(owner, Outcome(publication, "published", receipt=self._receipt(publication)))
        elif answer == "lost":
            self._record(owner, Outcome(publication, "unknown", "outcome_unknown", "reset", self.now))
        elif answer == "refused":
            kind = "failed" if accepts else "retry"
            self._record(owner, Outcome(publication, kind, "code", "no", self.now + timedelta(seconds=5)))

    @rule(owner=OWNERS)
    def look_up(self, owner: str) -> None:
        with self.store.write() as session:
            rows = claim_unknown(session, owner=owner, now=self.now, limit=1, lease=LEASE)
        self.looking[owner] |= {row.id for row in rows}

    @rule(owner=OWNERS, dies=st.booleans())
    def find_out(self, owner: str, dies: bool) -> None:  # noqa: FBT001 (hypothesis passes by name)
        if not self.looking[owner]:
            self.look_up(owner)
        if not self.looking[owner]:
            return
        publication = min(self.looking[owner])
        self.looking[owner].discard(publication)
        if dies:
            return
        if self.accepted[publication]:
            self._record(owner, Outcome(publication, "found", receipt=self._receipt(publication)))
        else:
            self._record(owner, Outcome(publication, "not_found", next_at=self.now))

    @rule()
    def keep_house(self) -> None:
        with self.store.write() as session:
            expire_leases(session, now=self.now)
            review_overdue(session, now=self.now, max_lateness=timedelta(hours=1))

    @rule(owner=OWNERS)
    def publisher_stops(self, owner: str) -> None:
        with self.store.write() as session:
            release_claims(session, owner=owner, now=self.now)
        # It may be slow to notice, and go on with what it believes to hold: `begin_sending` must refuse.

    @rule(action=st.sampled_from(["cancel", "retry", "send", "discard"]), pick=st.integers(0, 5))
    def a_person_acts(self, action: str, pick: int) -> None:
        with self.store.write() as session:
            ids = list(session.scalars(select(Publication.id).order_by(Publication.id)))
            if not ids:
                return
            row = get_publication(session, self.workspace_id, ids[pick % len(ids)])
            if action == "send" and self.accepted[row.id]:
                return  # a person who looked at the platform would not
            try:
                if action == "cancel":
                    cancel_publication(session, row, self.now)
                elif action == "retry":
                    retry_publication(session, row, self.now)
                else:
                    resolve_review(session, row, action, self.now)
            except ConflictError:
                return

    @invariant()
    def nothing_is_sent_twice(self) -> None:
        assert all(count <= 1 for count in self.accepted.values()), self.accepted

    @invariant()
    def the_store_tells_the_truth(self) -> None:
        with self.store.read() as session:
            for row in session.scalars(select(Publication)):
                if row.status == "published":
                    assert self.accepted[row.id] == 1
                if row.status in {"scheduled", "failed"}:
                    assert self.accepted[row.id] == 0
                assert verify_ledger(session, row.id) == []
                post = session.get_one(Post, row.post_id)
                assert post.status == derive_post_status({row.status: 1})

    def _record(self, owner: str, outcome: Outcome) -> None:
        with self.store.write() as session:
            record_outcomes(session, [outcome], owner=owner, now=self.now)

    def _receipt(self, publication: str) -> PublishedPost:
        return PublishedPost(f"external-{publication}", None, self.now)


TestPublishing = PublishingMachine.TestCase
TestPublishing.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

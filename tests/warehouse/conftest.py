"""Both databases, and a small world in each: one workspace, two accounts, posts on demand."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from connectors.types import Credentials, Platform, PostContent, PublishedPost, VerifiedAccount
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.database import Store
from warehouse.store.models import AccountRow, Publication
from warehouse.store.posts.posts import PostDraft, Target, create_post
from warehouse.store.publishing.claims import ClaimedPublication, claim_due
from warehouse.store.publishing.outcomes import Granted, Outcome, begin_sending, record_outcomes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LEASE = timedelta(seconds=90)


@pytest.fixture(params=["sqlite", "postgresql"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path, migrated_home: Path) -> Iterator[Store]:
    """The operational store on each database it supports."""
    shutil.copytree(migrated_home, tmp_path / "home", dirs_exist_ok=True)
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    with Store.open(WarehouseSettings(home=tmp_path / "home", database_url=url)) as opened:
        yield opened


@dataclass
class World:
    """A workspace with two accounts; `at` is the clock that every step uses."""

    store: Store
    workspace_id: str
    accounts: dict[str, str] = field(default_factory=dict)
    at: datetime = NOON

    def schedule(self, *platforms: str, text: str = "hello", after: timedelta = timedelta(0)) -> list[str]:
        """Schedule a post and return its publications' ids, in the order of `platforms`."""
        content = PostContent(text=text)
        targets = [Target(account=self._row(name), content=content) for name in platforms]
        with self.store.write() as session:
            draft = PostDraft(
                content=text, targets=targets, scheduled_at=self.at + after, allow_duplicate=True
            )
            post = create_post(session, self.workspace_id, draft, self.at)
            rows = session.query(Publication).filter_by(post_id=post.id).all()
        by_platform = {row.platform: row.id for row in rows}
        return [by_platform[name] for name in platforms]

    def _row(self, platform: str) -> AccountRow:
        with self.store.read() as session:
            return session.get_one(AccountRow, self.accounts[platform])

    def claim(
        self, owner: str = "a", *, ahead: timedelta = timedelta(0), limit: int = 100
    ) -> list[ClaimedPublication]:
        """Claim what is due."""
        with self.store.write() as session:
            return claim_due(
                session, owner=owner, now=self.at, horizon=self.at + ahead, limit=limit, lease=LEASE
            )

    def begin(self, ids: list[str], owner: str = "a") -> dict[str, Granted]:
        """Begin sending."""
        with self.store.write() as session:
            return begin_sending(session, ids, owner=owner, now=self.at, lease_until=self.at + LEASE)

    def record(self, *outcomes: Outcome, owner: str = "a") -> dict[str, str]:
        """Record outcomes."""
        with self.store.write() as session:
            return record_outcomes(session, outcomes, owner=owner, now=self.at)

    def get(self, publication_id: str) -> Publication:
        """Read one publication."""
        with self.store.read() as session:
            return session.get_one(Publication, publication_id)

    def receipt(self, external_id: str) -> PublishedPost:
        """A platform's receipt."""
        return PublishedPost(external_id, f"https://social.example/{external_id}", self.at)


def connect(store: Store, workspace_id: str, platform: str, external_id: str) -> str:
    """Connect an account without asking any platform."""
    verified = VerifiedAccount(
        external_id=external_id,
        handle=external_id,
        display_name=external_id,
        credentials=Credentials(SecretStr("token-of-" + external_id), SecretStr("refresh-1")),
    )
    with store.write() as session:
        return connect_account(session, store.cipher, workspace_id, verified, Platform(platform), NOON).id


@pytest.fixture
def world(any_store: Store) -> World:
    """A small world on each database."""
    with any_store.write() as session:
        workspace_id = ensure_default_workspace(session, NOON).id
    made = World(any_store, workspace_id)
    for platform in ("twitter", "mastodon"):
        made.accounts[platform] = connect(any_store, workspace_id, platform, f"{platform}-user")
    return made

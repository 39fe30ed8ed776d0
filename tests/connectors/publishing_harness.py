"""A connector with the real publisher: a store, one connected account, and a manually advanced clock."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from connectors.registry import ConnectorPool
from connectors.types import Account, PostContent
from flows.publishing.publisher import run_publisher
from flows.publishing.settings import PublisherSettings
from tests.connectors.harness import Clock
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.accounts.health import AccountHealth, account_health
from warehouse.store.database import Store
from warehouse.store.models import AccountRow, Publication
from warehouse.store.posts.posts import PostDraft, Target, create_post
from warehouse.store.publishing.ledger import list_events, verify_ledger

OPEN = frozenset({"scheduled", "claimed", "sending", "unknown"})


@dataclass
class Desk:
    """One publication on one account, and the publisher that works on it."""

    store: Store
    pool: ConnectorPool
    clock: Clock
    account_id: str
    settings: PublisherSettings
    runs: int = 0

    @classmethod
    async def connect(
        cls, store: Store, pool: ConnectorPool, account: Account, clock: Clock, *, settle: float = 20
    ) -> "Desk":
        verified = await pool.open(account).verify()
        with store.write() as session:
            workspace = ensure_default_workspace(session, clock())
            row = connect_account(session, store.cipher, workspace.id, verified, account.platform, clock())
        settings = PublisherSettings(poll=timedelta(milliseconds=1), settle=timedelta(seconds=settle))
        return cls(store, pool, clock, row.id, settings)

    def schedule(self, content: PostContent) -> str:
        with self.store.write() as session:
            account = session.get_one(AccountRow, self.account_id)
            draft = PostDraft(
                content=content.text,
                targets=[Target(account=account, content=content)],
                scheduled_at=self.clock(),
                allow_duplicate=True,
            )
            post = create_post(session, account.workspace_id, draft, self.clock())
            return session.scalars(select(Publication.id).where(Publication.post_id == post.id)).one()

    def get(self, publication_id: str) -> Publication:
        with self.store.read() as session:
            assert verify_ledger(session, publication_id) == []
            return session.get_one(Publication, publication_id)

    def events(self, publication_id: str) -> list[str]:
        with self.store.read() as session:
            return [row.event for row in list_events(session, publication_id)]

    @property
    def health(self) -> AccountHealth:
        with self.store.read() as session:
            return account_health(session.get_one(AccountRow, self.account_id), self.clock())

    async def work(self) -> None:
        """Let a publisher do all that is due at this moment."""
        self.runs += 1
        await run_publisher(
            self.store,
            self.pool,
            horizon=timedelta(0),
            max_lateness=timedelta(hours=1),
            settings=self.settings,
            clock=self.clock,
        )

    async def pass_time(self, publication_id: str, *, minutes: float = 10) -> Publication:
        """Let that much time pass, from one moment at which something is due to the next; stop once it is settled."""
        end = self.clock() + timedelta(minutes=minutes)
        while True:
            await self.work()
            row = self.get(publication_id)
            if row.status not in OPEN or self.clock() >= end:
                return row
            next_at = row.due_at or row.lease_until or end
            self.clock.now = min(end, max(self.clock() + timedelta(seconds=1), next_at))

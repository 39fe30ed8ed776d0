"""The simulated world: accounts, their posts and metrics. Deterministic for a seed and clock.

Independent of HTTP. Times are Unix seconds internally, aware UTC datetimes in the interface.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from connectors.sandbox.accounts import SANDBOX_PLATFORMS, SandboxAccount, TokenIssuer, build_account
from connectors.sandbox.engagement import Counters, compute_counters, compute_final_engagement
from connectors.sandbox.faults import FaultPlan
from connectors.sandbox.history import build_history
from connectors.sandbox.identifiers import IdSequence, build_number, build_post_id
from connectors.sandbox.journal import Journal
from connectors.sandbox.limits import RateLimiter
from connectors.sandbox.posts import SandboxPost, Via, restore_post
from connectors.sandbox.settings import SandboxSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from connectors.types import ContentKind, Platform


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SandboxWorld:
    """All simulated accounts and their posts.

    `now` returns an aware UTC datetime; followers and counters can be requested for any time. `curve_sd` and
    `noise_sd` are the standard deviations, in log units, of the hidden slot effects and of a post's
    unexplained variation (real pages: about 0.19 and 1.1; the defaults make effects visible in a demo's half
    year). `journal` is a file of published posts, with which a restarted world continues where it was.
    """

    def __init__(
        self,
        seed: int = 7,
        now: Callable[[], datetime] = _utc_now,
        history_days: int = 182,
        *,
        accounts_per_platform: int = 1,
        curve_sd: float = 0.35,
        noise_sd: float = 0.7,
        settings: SandboxSettings | None = None,
        journal: Path | None = None,
    ) -> None:
        self.seed = seed
        self.history_days = history_days
        self.settings = settings or SandboxSettings()
        self.faults = FaultPlan()
        self.limits = RateLimiter(self.settings)
        self.requests: Counter[str] = Counter()
        """Requests by "platform:operation"."""
        self.tokens = TokenIssuer(seed)
        self.spent: dict[tuple[str, int], float] = {}
        """When each refresh token (account key, generation) was used."""
        self._now = now
        self.started = self.time()
        self.accounts: list[SandboxAccount] = [
            build_account(platform, index, seed=seed, curve_sd=curve_sd, noise_sd=noise_sd)
            for platform in SANDBOX_PLATFORMS
            for index in range(accounts_per_platform)
        ]
        self._by_name: dict[tuple[Platform, str], SandboxAccount] = {}
        self._by_key: dict[str, SandboxAccount] = {}
        for account in self.accounts:
            self.tokens.issue(account, self.started)
            self._by_key[account.key] = account
            for name in account.names:
                self._by_name[account.platform, name] = account
        self._timelines: dict[str, list[SandboxPost]] = {}
        self._early: dict[str, list[SandboxPost]] = {}
        """Live posts of accounts whose history was not requested yet, so that publishing needs no history."""
        self._posts: dict[tuple[Platform, str], SandboxPost] = {}
        self._live: list[SandboxPost] = []
        self._deleted: Counter[str] = Counter()
        self._sequences = {platform: IdSequence(platform) for platform in SANDBOX_PLATFORMS}
        self._journal = None if journal is None else Journal(journal)
        if self._journal is not None:
            self._restore(self._journal)

    def now(self) -> datetime:
        """The world's clock (aware UTC)."""
        return self._now()

    def time(self) -> float:
        """The world's clock in Unix seconds."""
        return self._now().timestamp()

    def find_account(self, platform: Platform, name: str) -> SandboxAccount | None:
        """Return the account with this handle or external id."""
        return self._by_name.get((platform, name))

    def account_of_key(self, key: str) -> SandboxAccount | None:
        """Return the account with this globally unique key ("twitter:0")."""
        return self._by_key.get(key)

    def next_number(self, platform: Platform, at: float) -> int:
        """Return a new number for an object created on this platform now."""
        return self._sequences[platform].next(at)

    def add_post(
        self,
        account: SandboxAccount,
        *,
        text: str,
        kind: ContentKind,
        at: float,
        external_id: str | None = None,
        idempotency_key: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> SandboxPost:
        """Publish a post. Its id is the platform's next, unless the client may choose one and did."""
        number = self.next_number(account.platform, at)
        post = SandboxPost(
            account=account,
            external_id=external_id or build_post_id(account.platform, account.external_id, number),
            number=number,
            created=at,
            text=text,
            kind=kind,
            via="api",
            idempotency_key=idempotency_key,
            details=details,
        )
        self._keep(post)
        self._note("post", **post.describe())
        return post

    def edit_post(self, post: SandboxPost, *, text: str, details: dict[str, Any]) -> None:
        """Change a post's text and some of its details."""
        post.text = text
        post.details = {**(post.details or {}), **details}
        self._note("edit", account=post.account.key, external_id=post.external_id, text=text, details=details)

    def delete_post(self, post: SandboxPost, at: float) -> None:
        """Delete the post; the record keeps that it was published."""
        if post.deleted is None:
            post.deleted = at
            self._deleted[post.account.key] += 1
            self._note("delete", account=post.account.key, external_id=post.external_id, at=at)

    def find_post(
        self, platform: Platform, external_id: str, reader: SandboxAccount | None = None
    ) -> SandboxPost | None:
        """Return the post unless it was deleted. `reader`: an account whose history is searched as well."""
        if reader is not None:
            self.timeline(reader)
        post = self._posts.get((platform, external_id))
        return None if post is None or post.deleted is not None else post

    def timeline(self, account: SandboxAccount) -> list[SandboxPost]:
        """Return all posts of the account, oldest first; its history is generated on first access."""
        posts = self._timelines.get(account.key)
        if posts is None:
            posts = list(self._invent_history(account))
            for post in posts:
                self._posts[account.platform, post.external_id] = post
            posts += self._early.pop(account.key, [])
            self._timelines[account.key] = posts
        return posts

    def list_posts(
        self,
        account: SandboxAccount,
        *,
        below: int | None = None,
        above: int | None = None,
        oldest_first: bool = False,
        lagging: bool = True,
    ) -> Iterator[SandboxPost]:
        """Yield the account's posts between the two numbers (exclusive), newest first by default.

        `lagging`: as a platform's listing shows them, new posts after `list_lag_s`.
        """
        posts = self.timeline(account)
        start = 0 if above is None else bisect_left(posts, above + 1, key=_number)
        end = len(posts) if below is None else bisect_left(posts, below, key=_number)
        indices: Iterable[int] = range(start, end) if oldest_first else range(end - 1, start - 1, -1)
        newest = self.time() - self.settings.list_lag_s if lagging else float("inf")
        return (
            posts[index]
            for index in indices
            if posts[index].deleted is None
            and (posts[index].created <= newest or posts[index].via == "history")
        )

    def count_posts(self, account: SandboxAccount) -> int:
        """Return how many published posts the account has."""
        return len(self.timeline(account)) - self._deleted[account.key]

    def published(
        self,
        platform: Platform | None = None,
        account: SandboxAccount | str | None = None,
        *,
        via: Via | None = None,
    ) -> list[SandboxPost]:
        """Return all published posts, including deleted ones; `account` by handle, id or object."""
        if via == "api":
            posts: Iterable[SandboxPost] = list(self._live)
        else:
            posts = [post for owner in self.accounts for post in self.timeline(owner)]
        return [
            post
            for post in posts
            if (platform is None or post.platform == platform)
            and (account is None or account is post.account or account in post.account.names)
            and (via is None or post.via == via)
        ]

    def counters(self, post: SandboxPost, at: float) -> Counters:
        """Return the post's counters at this time."""
        key = f"{post.platform}:{post.external_id}"
        if post.final is None:
            audience = post.account.audience
            local = datetime.fromtimestamp(post.created, ZoneInfo(audience.timezone))
            post.final = compute_final_engagement(
                audience,
                post_key=key,
                slot=local.weekday() * 24 + local.hour,
                kind=post.kind,
                followers=post.account.followers(post.created),
            )
        age = min(at, post.deleted or at) - post.created
        return compute_counters(
            post.final, seed=post.account.audience.seed, post_key=key, kind=post.kind, age_seconds=age
        )

    def truth(self, account: SandboxAccount | str) -> tuple[float, ...]:
        """Return the account's hidden curve: 168 log effects, index = local weekday * 24 + hour.

        Raises KeyError for an unknown account.
        """
        if isinstance(account, SandboxAccount):
            return account.audience.curve
        for candidate in self.accounts:
            if account in candidate.names:
                return candidate.audience.curve
        raise KeyError(account)

    def _keep(self, post: SandboxPost) -> None:
        key = post.account.key
        timeline = self._timelines.get(key)
        if timeline is None:
            timeline = self._early.setdefault(key, [])
        timeline.append(post)
        self._posts[post.platform, post.external_id] = post
        self._live.append(post)

    def _note(self, event: str, **content: object) -> None:
        if self._journal is not None:
            self._journal.append({"event": event, **content})

    def _restore(self, journal: Journal) -> None:
        """Replay the journal; the generated history ends at the time of the first start."""
        events = list(journal.read())
        if not events:
            self._note("start", at=self.started)
        for event in events:
            account = self._by_key.get(event.get("account", ""))
            if event["event"] == "start":
                self.started = event["at"]
            elif account is not None and event["event"] == "post":
                post = restore_post(account, event)
                self._keep(post)
                self._sequences[account.platform].skip(post.number)
            elif account is not None:
                self._restore_change(account, event)

    def _restore_change(self, account: SandboxAccount, event: dict[str, Any]) -> None:
        post = self.find_post(account.platform, event["external_id"], account)
        if post is None:
            return
        if event["event"] == "delete":
            post.deleted = event["at"]
            self._deleted[account.key] += 1
        else:
            post.text, post.details = event["text"], {**(post.details or {}), **event["details"]}

    def _invent_history(self, account: SandboxAccount) -> Iterator[SandboxPost]:
        platform = account.platform
        past = build_history(
            self.seed,
            account.key,
            platform,
            timezone=account.timezone,
            until=self.started,
            days=self.history_days,
        )
        for item in past:
            number = build_number(platform, round(item.created * 1000), account.index)
            yield SandboxPost(
                account=account,
                external_id=build_post_id(platform, account.external_id, number),
                number=number,
                created=item.created,
                text=item.text,
                kind=item.kind,
                via="history",
            )


def _number(post: SandboxPost) -> int:
    return post.number

"""Core tables of the operational store.

    workspaces 1-n api_keys
    workspaces 1-n accounts 1-n publications n-1 posts n-1 workspaces
    publications 1-n publication_attempts      (append-only ledger)

Every row belongs to one workspace. Ids are ULIDs with a prefix for their kind, so they sort by creation time.
Times are aware UTC. A post's `status` is derived from its publications and updated in the same transaction by
`warehouse.store.publishing.publications.refresh_post_status`, so that lists can filter on it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    and_,
    literal_column,
    or_,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

PLANNED = "status = 'scheduled' OR status = 'published' AND rest = 'waiting'"


def _only(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: rejects naive values, stores UTC, returns aware UTC on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; SQLite has no time zones, so it stores naive UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive time reached the store: {value!r}")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return aware UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Declarative base; constraint names are fixed, so that migrations can name them on any database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime(), dict[str, Any]: JSON(), list[str]: JSON()}  # noqa: RUF012 (SQLAlchemy's own form)


class Workspace(Base):
    """One tenant. Every other row belongs to exactly one workspace."""

    __tablename__ = "workspaces"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    timezone: Mapped[str] = mapped_column(String(64), default="UTC")
    """IANA zone for times without an offset in requests."""
    publishing_paused_at: Mapped[datetime | None]
    approval_required: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime]


class ApiKey(Base):
    """An API key. Only HMACs are stored; the plain values are shown once, on creation."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    key_hint: Mapped[str] = mapped_column(String(20))
    """The first characters of the key, shown in lists."""
    key_hmac: Mapped[str] = mapped_column(String(64), unique=True)
    secret_hmac: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class AccountRow(Base):
    """A connected account on a platform."""

    __tablename__ = "accounts"
    __table_args__ = (UniqueConstraint("workspace_id", "platform", "instance_url", "external_id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), index=True)
    platform: Mapped[str] = mapped_column(String(20))
    instance_url: Mapped[str] = mapped_column(String(300), default="")
    """The account's own server; empty for platforms with one server for all accounts."""
    external_id: Mapped[str] = mapped_column(String(200))
    handle: Mapped[str] = mapped_column(String(200))
    display_name: Mapped[str] = mapped_column(String(300), default="")
    text_limit: Mapped[int | None] = mapped_column(Integer)
    """Text limit of the account's own server; None = the platform's limit."""
    timezone: Mapped[str | None] = mapped_column(String(64))
    """IANA zone of the audience for optimal times; None = the workspace's."""
    credentials: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Encrypted by `warehouse.store.crypto`; None for an imported history without a connection."""
    token_expires_at: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(String(20), default="active")
    """active | revoked (the platform refuses the token) | imported | disconnected | merged"""
    status_reason: Mapped[str | None] = mapped_column(Text)
    status_changed_at: Mapped[datetime | None]
    merged_into: Mapped[str | None] = mapped_column(String(40))
    """Id of the account that this one turned out to be; its posts follow, then this row goes."""
    paused_at: Mapped[datetime | None]
    """Set by a user; nothing is published until it is unset."""
    rate_limited_until: Mapped[datetime | None]
    """Set from the platform's response; survives a restart and does not affect other accounts."""
    rate_limit_reason: Mapped[str | None] = mapped_column(Text)
    last_error: Mapped[str | None] = mapped_column(Text)
    last_verified_at: Mapped[datetime | None]
    connected_at: Mapped[datetime]
    next_followers_at: Mapped[datetime | None]
    backfill_since: Mapped[datetime | None]
    backfill_cursor: Mapped[str | None] = mapped_column(Text)
    backfill_posts: Mapped[int] = mapped_column(Integer, default=0)
    backfill_finished_at: Mapped[datetime | None]
    refresh_lease_until: Mapped[datetime | None]
    """While set, one process refreshes this token: a rotating refresh token must not be used twice."""


class Post(Base):
    """A post by its author, or (origin external) a post found in an account's history."""

    __tablename__ = "posts"
    __table_args__ = (
        Index("ix_posts_list", "workspace_id", "origin", "id"),
        Index("ix_posts_status", "workspace_id", "status", "id"),
        Index("ix_posts_calendar", "workspace_id", "scheduled_at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    origin: Mapped[str] = mapped_column(String(12), default="socialflow")
    """socialflow | external"""
    content: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """The other fields of the request: media, link, variants, thread, first_comment, timezone."""
    status: Mapped[str] = mapped_column(String(24))
    scheduled_at: Mapped[datetime | None]
    client_ref: Mapped[str | None] = mapped_column(String(200))
    approval_state: Mapped[str | None] = mapped_column(String(12))
    """pending | approved | rejected; None = no approval was requested (`warehouse.store.posts.approvals`)."""
    approval_at: Mapped[datetime | None]
    """When approval was requested or decided."""
    approval_by: Mapped[str | None] = mapped_column(String(40))
    approval_reason: Mapped[str | None] = mapped_column(Text)
    approved_media: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """SHA-256 (hex) of the approved bytes, by URL of the media; None = none were approved."""
    version: Mapped[int] = mapped_column(Integer, default=1)
    """Increases with each change; the post's ETag."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class Publication(Base):
    """A post on one account: the unit that is claimed, sent, looked up and measured."""

    __tablename__ = "publications"
    __table_args__ = (
        UniqueConstraint("account_id", "external_id"),
        Index("ix_publications_due", "status", "due_at"),
        # Small whatever the history: the next publications of each account, and what is late.
        Index("ix_publications_turn", "account_id", "due_at", "id", **_only(PLANNED)),
        Index("ix_publications_planned", "due_at", **_only(PLANNED)),
        Index("ix_publications_failed_parts", "status", **_only("rest = 'failed'")),
        Index(
            "ix_publications_open", "scheduled_at", **_only("status IN ('scheduled', 'claimed', 'sending')")
        ),
        Index("ix_publications_snapshot", "next_snapshot_at"),
        Index("ix_publications_published", "account_id", "published_at"),
        Index("ix_publications_published_at", "published_at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    post_id: Mapped[str] = mapped_column(ForeignKey("posts.id"), index=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), index=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    platform: Mapped[str] = mapped_column(String(20))
    origin: Mapped[str] = mapped_column(String(12), default="socialflow")
    content: Mapped[dict[str, Any]]
    """connectors.types.PostContent as JSON: the exact content to send."""
    content_kind: Mapped[str] = mapped_column(String(12), default="text")
    payload_hash: Mapped[str] = mapped_column(String(64), index=True)
    status: Mapped[str] = mapped_column(String(16))
    """draft scheduled claimed sending unknown published failed needs_review canceled"""
    reason_code: Mapped[str | None] = mapped_column(String(60))
    reason: Mapped[str | None] = mapped_column(Text)
    """Readable reason for the status, or why the publication has not been sent yet."""
    scheduled_at: Mapped[datetime | None]
    """The publishing time set by the author."""
    due_at: Mapped[datetime | None]
    """Earliest time of the next claim: scheduled_at, or later after a retry."""
    lease_owner: Mapped[str | None] = mapped_column(String(80))
    lease_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    first_attempt_at: Mapped[datetime | None]
    unknown_since: Mapped[datetime | None]
    send_state: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Values that the connector saved to recognise its own request: container id, record key."""
    ledger_rows: Mapped[int] = mapped_column(Integer, default=0)
    ledger_hash: Mapped[str] = mapped_column(String(64), default="")
    """Length and last hash of this publication's ledger, so that a truncated ledger is detected too."""
    external_id: Mapped[str | None] = mapped_column(String(300))
    permalink: Mapped[str | None] = mapped_column(Text)
    published_at: Mapped[datetime | None]
    rest: Mapped[str | None] = mapped_column(String(12))
    """waiting | failed | canceled: of the later parts of a published thread (`publishing.later_parts`)"""
    rest_at: Mapped[datetime | None]
    """The planned time of the next part, while `rest` is waiting."""
    next_snapshot_at: Mapped[datetime | None]
    """When its metrics are read next; None = never (not published, deleted, or too old)."""
    snapshot_count: Mapped[int] = mapped_column(Integer, default=0)
    snapshot_failures: Mapped[int] = mapped_column(Integer, default=0)
    platform_deleted_at: Mapped[datetime | None]
    """When the post was first found deleted on the platform."""
    marked_paid: Mapped[bool | None]
    """Whether a person said that it was promoted for money; None = what the platform and files say counts."""
    edit: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """The last edit after publishing (`warehouse.store.publishing.editing`); None = there was none."""
    edited_at: Mapped[datetime | None]
    """When the post was last changed on the platform, as an edit asked for."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


def is_scheduled(table: type[Publication] = Publication) -> ColumnElement[bool]:
    """Condition of what is still to be sent from its first part on, with the value as a literal."""
    return table.status == literal_column("'scheduled'")


def is_planned(table: type[Publication] = Publication) -> ColumnElement[bool]:
    """Condition of the indexes of what is to be claimed, also for a later part, with the values as literals.

    A database uses a partial index only for a query that contains its condition: with a parameter it cannot tell.
    """
    waits = and_(table.status == literal_column("'published'"), table.rest == literal_column("'waiting'"))
    return or_(is_scheduled(table), waits)


def is_in_progress() -> ColumnElement[bool]:
    """Condition of the index `ix_publications_open`, with literals as above."""
    return Publication.status.in_([literal_column(f"'{one}'") for one in ("scheduled", "claimed", "sending")])


class PublicationAttempt(Base):
    """One event of a publication. Append-only; each row holds the hash of the previous row."""

    __tablename__ = "publication_attempts"
    __table_args__ = (UniqueConstraint("publication_id", "seq"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    publication_id: Mapped[str] = mapped_column(ForeignKey("publications.id"))
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    seq: Mapped[int] = mapped_column(Integer)
    attempt: Mapped[int] = mapped_column(Integer)
    event: Mapped[str] = mapped_column(String(24))
    """draft scheduled edited claimed released sending published retry unknown found not_found needs_review
    part_published part_found part_failed parts_canceled failed canceled resolved retry_by_hand approval_requested
    approved rejected unpublish_requested unpublished unpublish_failed unpublish_unknown edit_requested edit_done
    edit_failed edit_unknown edit_refused"""
    at: Mapped[datetime]
    payload_hash: Mapped[str] = mapped_column(String(64))
    owner: Mapped[str | None] = mapped_column(String(80))
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """The response as text and codes; never a secret."""
    prev_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class PlatformLimit(Base):
    """A pause that a platform requested for the whole app, not for one account."""

    __tablename__ = "platform_limits"

    platform: Mapped[str] = mapped_column(String(20), primary_key=True)
    paused_until: Mapped[datetime]
    reason: Mapped[str] = mapped_column(Text)


class Instance(Base):
    """One row about this installation: its secret key's fingerprint, and the place where the store was last used."""

    __tablename__ = "instance"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    secret_fingerprint: Mapped[str] = mapped_column(String(32))
    lasting_keys: Mapped[bytes | None] = mapped_column(LargeBinary)
    """HMAC keys that outlive a rotation of the secret, encrypted with it: those of API keys and of addresses."""
    previous_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    """During a rotation, encrypted with the new secret: what was saved with the old one can still be read."""
    place: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """What tells this store from a copy of it (`warehouse.store.installation`); None = nothing was published yet."""
    generation: Mapped[int] = mapped_column(Integer, default=1, server_default="1")
    """Grows each time that the store is found to be a copy, or a restored backup."""
    copied_at: Mapped[datetime | None]
    """When that was last found."""
    copied_reason: Mapped[str | None] = mapped_column(Text)
    """By what, and how many publications are looked up for it."""


class IdempotencyKey(Base):
    """The response to one `Idempotency-Key`: a repeated request gets this response and is not executed again."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        UniqueConstraint("api_key_id", "route", "key"),
        Index("ix_idempotency_keys_expires_at", "expires_at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    api_key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id"))
    route: Mapped[str] = mapped_column(String(300))
    """Method and path, such as 'POST /api/v1/posts'."""
    key: Mapped[str] = mapped_column(String(255))
    body_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int | None] = mapped_column(Integer)
    """HTTP status of the stored response; None = the first request is still in progress."""
    headers: Mapped[dict[str, Any]] = mapped_column(default=dict)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    lease_until: Mapped[datetime | None]
    """While status is None: until then repeats are refused; afterwards the first request counts as dead."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]

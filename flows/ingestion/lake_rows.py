"""Convert store rows and connector results to lake rows. Pure functions; no credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.types import METRIC_NAMES
from warehouse.lake.rows import AccountSnapshot, PostSnapshot, PublicationDim

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.types import AccountMetrics, ListedPost, PostMetrics
    from warehouse.store.models import AccountRow, Publication


def publication_dim(
    row: Publication,
    placement: Mapping[str, Any] | None = None,
    client_ref: str | None = None,
    listed: ListedPost | None = None,
) -> PublicationDim:
    """Return the dimension row of a published publication.

    `placement` says how its time was chosen, `client_ref` is its post's, `listed` is what the platform's list says
    about it; without them the lake keeps what it knows. The language is the option that was sent, else the one listed.
    """
    if row.published_at is None:
        raise ValueError(f"publication {row.id} is {row.status}: only a published one enters the lake")
    return PublicationDim(
        publication_id=row.id,
        post_id=row.post_id,
        workspace_id=row.workspace_id,
        account_id=row.account_id,
        platform=row.platform,
        origin=row.origin,
        kind=row.content_kind,
        published_at=row.published_at,
        permalink=row.permalink,
        text=row.content.get("text"),
        placement=placement["kind"] if placement else None,
        placement_share=placement.get("random_share") if placement else None,
        external_id=row.external_id,
        client_ref=client_ref,
        scheduled_at=row.scheduled_at,
        deleted_at=row.platform_deleted_at,
        # The content of an external post is what its platform's list said, which has no media.
        media_count=len(row.content.get("media", ())) if row.origin == "socialflow" else None,
        tags=_sent_tags(row) or (listed.tags if listed else None) or None,
        language=_sent_language(row) or (listed.language if listed else None) or None,
        paid=listed.promoted if listed else None,
    )


def _sent_language(row: Publication) -> str | None:
    """Return the language that was sent as an option; Bluesky has several, of which the first counts."""
    options = row.content.get("options") or {}
    languages = options.get("languages") or ()
    return options.get("language") or (languages[0] if languages else None)


def _sent_tags(row: Publication) -> tuple[str, ...]:
    """Return the tags that were sent as an option (YouTube)."""
    return tuple((row.content.get("options") or {}).get("tags") or ())


def post_snapshot(row: Publication, metrics: PostMetrics, api_version: str | None) -> PostSnapshot:
    """Return the snapshot row of a publication's metrics."""
    if row.published_at is None:
        raise ValueError(f"publication {row.id} is {row.status}: only a published one is measured")
    return PostSnapshot(
        workspace_id=row.workspace_id,
        publication_id=row.id,
        account_id=row.account_id,
        captured_at=metrics.captured_at,
        published_at=row.published_at,
        raw=metrics.raw,
        api_version=api_version,
        **{name: getattr(metrics, name) for name in METRIC_NAMES},
    )


def account_snapshot(row: AccountRow, metrics: AccountMetrics, api_version: str | None) -> AccountSnapshot:
    """Return the snapshot row of an account's metrics."""
    return AccountSnapshot(
        workspace_id=row.workspace_id,
        account_id=row.id,
        captured_at=metrics.captured_at,
        followers=metrics.followers,
        following=metrics.following,
        posts=metrics.posts,
        raw=metrics.raw,
        api_version=api_version,
    )

"""Schemas of the deletion of a published post."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from api.http.schemas import Request


class UnpublishRequest(Request):
    """Which publications to delete."""

    publication_ids: list[Annotated[str, Field(max_length=40)]] = Field(
        default_factory=list, max_length=100, description="Empty = all that are published."
    )


class UnpublishResult(BaseModel):
    """What happened on one account."""

    publication_id: str
    account_id: str
    platform: str
    outcome: Literal["deleted", "already_deleted", "not_published", "unsupported", "failed", "unknown"] = (
        Field(description="unknown: the platform did not answer clearly; repeat the request.")
    )
    code: str | None
    detail: str | None


class UnpublishOut(BaseModel):
    """Result per account."""

    post_id: str
    results: list[UnpublishResult]

"""Schemas of a validated post."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from api.http.schemas import ProblemEntry
from connectors.types import Media


class PartCheck(BaseModel):
    """One text that would be sent."""

    kind: Literal["post", "thread", "first_comment"]
    text: str = Field(description="Exactly as it would be sent, with the link where it belongs to the text.")
    length: int = Field(description="As the platform counts it.")
    limit: int
    remaining: int = Field(description="Negative: that much too long.")
    unit: str
    links: list[str] = Field(description="Addresses in the text that the platform makes links of.")
    media: list[Media]
    after: int | None = Field(description="Seconds that it waits after the part before it.")


class Conversion(BaseModel):
    """One picture that is converted for a platform."""

    pointer: str
    detail: str = Field(description="What of it is over the platform's limits.")


class TargetCheck(BaseModel):
    """What would be sent to one account."""

    account_id: str
    platform: str
    handle: str
    parts: list[PartCheck]
    link: str | None = Field(description="The link, where the platform has a field of its own for it.")
    media: list[Media]
    max_images: int
    max_videos: int
    options: dict[str, Any] = Field(
        description="All options of the platform, with the defaults that would be used."
    )
    conversions: list[Conversion] = Field(
        description="Pictures that are converted when the post is sent, as `options.media.fit` asks for."
    )
    problems: list[ProblemEntry]


class PostCheckOut(BaseModel):
    """Result of a validation."""

    valid: bool = Field(description="Whether POST /api/v1/posts would accept this body now.")
    problems: list[ProblemEntry] = Field(
        description="Everything that is wrong, for all accounts together. A draft is valid with them: they must be "
        "corrected before it is scheduled."
    )
    warnings: list[str] = Field(description="What is accepted now but must be added before the post's time.")
    publications: list[TargetCheck]

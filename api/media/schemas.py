"""Schemas of uploads."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class MediaOut(BaseModel):
    """An uploaded picture, video or document."""

    id: str
    url: str = Field(
        description="Use it as `url` in the `media` of a post.", examples=["upload:med_01jt3s5yqf3w1k6v"]
    )
    kind: Literal["image", "video", "document"]
    content_type: str = Field(description="Detected from the first bytes, not from the declared type.")
    size: int = Field(description="Bytes.")
    sha256: str
    filename: str
    width: int | None = Field(description="Pixels of a picture, as stored in the file; null: not known.")
    height: int | None
    pages: int | None = Field(description="Pages of a document.")
    created_at: datetime


class MediaListOut(BaseModel):
    """Several uploads, in the order of their files."""

    data: list[MediaOut]

"""Schema of an upload."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class MediaOut(BaseModel):
    """An uploaded picture or video."""

    id: str
    url: str = Field(
        description="Use it as `url` in the `media` of a post.", examples=["upload:med_01jt3s5yqf3w1k6v"]
    )
    kind: Literal["image", "video"]
    content_type: str = Field(description="Detected from the first bytes, not from the declared type.")
    size: int = Field(description="Bytes.")
    sha256: str
    filename: str
    created_at: datetime

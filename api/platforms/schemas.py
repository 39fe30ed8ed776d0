"""Schemas of the platforms' limits and options."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class TextLimits(BaseModel):
    """Limits of a text."""

    limit: int = Field(description="In `unit`. A Mastodon account may have its server's own limit.")
    unit: str
    limit_with_media: int | None = Field(description="The limit of a text with media; null: the same.")
    byte_limit: int | None
    required: bool = Field(description="Whether media alone are not enough.")
    refused_characters: str
    link_in_text: bool = Field(description="Whether the post's link is part of the text and counts.")


class MediaLimits(BaseModel):
    """Limits of media."""

    kinds: list[str]
    required: bool
    max_images: int
    max_videos: int
    max_image_bytes: int | None
    max_video_bytes: int | None
    fetched_by_address: list[str] = Field(description="Kinds that the platform itself downloads by address.")
    alt_text_kinds: list[str]
    alt_text_limit: int | None
    image_types: list[str] = Field(description="Others are converted with `options.media.fit`.")
    max_image_pixels: int | None
    max_documents: int
    max_document_bytes: int | None
    max_document_pages: int | None
    in_thread: dict[str, int] = Field(
        description="How many media of each kind one part of a thread may have; empty: none."
    )
    in_first_comment: dict[str, int] = Field(description="The same of the first comment.")


class PublishingWindow(BaseModel):
    """How often an account may publish."""

    posts: int
    window_seconds: int


class OptionOut(BaseModel):
    """One option of a post on this platform."""

    name: str
    type: str = Field(
        description="string, integer, number, boolean, array or object; several joined by `or`."
    )
    choices: list[Any] = Field(description="Allowed values; empty: no fixed set.")
    default: Any = Field(description="null: the platform or the account decides, or there is none.")
    description: str


class EditingOut(BaseModel):
    """What the platform changes of a published post; everything else stays as it was published."""

    fields: list[str] = Field(
        description="text, link, thread (the texts of its parts), first_comment, alt_text (of all media)."
    )
    options: list[str]
    cost: str = Field(description="What else an edit does.")


class PlatformOut(BaseModel):
    """Limits, features and options of one platform."""

    platform: str
    label: str
    api_version: str | None
    text: TextLimits
    media: MediaLimits
    supports_thread: bool
    supports_first_comment: bool
    supports_unpublish: bool = Field(description="Whether a published post can be deleted through the API.")
    editing: EditingOut | None = Field(
        description="What of a published post PATCH can change; null: nothing, as `why_no_edit` says."
    )
    why_no_edit: str | None
    needs_instance_url: bool
    needs_handle: bool
    metrics: dict[str, str] = Field(description="Reported metrics, and what one of each is.")
    lists_posts: bool = Field(description="Whether an account's history can be read.")
    finds_out: bool = Field(description="Whether the outcome of an interrupted send can be looked up.")
    reconciliation: str
    publishing_limit: PublishingWindow | None
    options: list[OptionOut]
    options_schema: dict[str, Any] = Field(description="JSON schema of `options.<platform>`.")


class PlatformList(BaseModel):
    """All platforms, by name."""

    data: list[PlatformOut]

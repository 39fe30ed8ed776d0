"""`Capabilities`: how a platform declares its limits and features, and what it rejects.

Each platform's values are in `connectors/<platform>/capabilities.py`; `connectors.capabilities` collects
them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from connectors.content.links import find_links
from connectors.content.marks import Mark
from connectors.content.options import PlatformOptions
from connectors.content.problems import ContentProblem
from connectors.content.text import compose_text
from connectors.types import FitRule, MediaKind, Platform, PostContent

__all__ = ["Capabilities", "ContentProblem", "Editing", "PublishingLimit"]


@dataclass(frozen=True, slots=True)
class PublishingLimit:
    """Maximum number of posts of one account in any window of this length."""

    posts: int
    window: timedelta


@dataclass(frozen=True, slots=True)
class CountLimit:
    """How many links, hashtags or mentions one text may have (`connectors.content.marks`)."""

    mark: Mark
    most: int


EditableField = Literal["text", "link", "thread", "first_comment", "alt_text"]


@dataclass(frozen=True, slots=True)
class Editing:
    """What the platform changes of a published post. Everything else stays as it was published."""

    fields: frozenset[EditableField]
    """Fields of the content. `thread`: the texts of its parts, not their number. `alt_text`: of all media."""
    cost: str
    """One sentence: what else an edit does to the post."""
    options: frozenset[str] = frozenset()
    """Names of options."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """A platform's limits and features as data. The platform module names the source of each fact."""

    platform: Platform
    label: str
    """Display name: "X (Twitter)"."""
    text_limit: int
    text_unit: str
    """The unit of `text_limit`, for messages: "weighted characters", "graphemes"."""
    count_text: Callable[[str], int]
    media_kinds: frozenset[MediaKind]
    max_images: int
    max_videos: int
    max_documents: int = 0
    max_image_bytes: int | None = None
    """Maximum size of an image file; None = the platform documents no limit and rejects too large files on
    upload.
    """
    max_image_pixels: int | None = None
    """Maximum number of pixels of an image; None = the platform documents none."""
    image_types: frozenset[str] = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
    """Image types that the platform takes."""
    limits_by_instance: bool = False
    """Whether each server has its own limits, which are checked when a post is sent."""
    max_document_bytes: int | None = None
    max_document_pages: int | None = None
    max_video_bytes: int | None = None
    """Maximum size of a video file; None as above."""
    api_version: str | None = None
    """Version of the API that is used, stored with every number; None = the platform has none, or a setting says."""
    media_required: bool = False
    fetches_media: frozenset[MediaKind] = frozenset()
    """Kinds that the platform itself fetches by address; all others are uploaded to it."""
    text_byte_limit: int | None = None
    text_required: bool = False
    """Whether media alone are not enough: a video needs a title."""
    refused_characters: str = ""
    """Characters that a text must not hold."""
    find_links: Callable[[str], list[tuple[int, int, str]]] = find_links
    """Finds what the platform makes a link of: (start, end, url), in code points."""
    rewrite_text: Callable[[str], str] | None = None
    """What the connector changes in a text before it is sent; None = nothing."""
    count_limits: tuple[CountLimit, ...] = ()
    """Largest numbers of links, hashtags and mentions in a text; a mark that is missing has no documented limit."""
    text_limit_with_media: int | None = None
    """The smaller limit of a text that accompanies media; None = `text_limit` holds for all."""
    alt_text_kinds: frozenset[MediaKind] = frozenset()
    """Of which media the platform takes an alt text; that of all others is left out when they are sent."""
    alt_text_limit: int | None = None
    """Characters (code points) of a medium's alt text; None = no limit is known."""
    link_in_text: bool = True
    """Whether the link stands below the text and counts as text; False = it has a field of its own."""
    supports_thread: bool = False
    supports_first_comment: bool = False
    thread_media: Mapping[MediaKind, int] = field(default_factory=dict)
    """Largest number of media of each kind in one part of a thread; {} = parts are texts only."""
    comment_media: Mapping[MediaKind, int] = field(default_factory=dict)
    """The same of the first comment."""
    supports_unpublish: bool = True
    """Whether a published post can be deleted through the API."""
    editing: Editing | None = None
    """What of a published post can be changed through the API; None = nothing, as `why_no_edit` says."""
    why_no_edit: str = "the platform lets no app change a published post"
    """Why not, as a sentence with the remedy."""
    needs_instance_url: bool = False
    needs_handle: bool = False
    metrics_batch: int = 1
    """How many posts one metrics request may name."""
    metrics: Mapping[str, str] = field(default_factory=dict)
    """What the platform reports, by the names of connectors.types.METRIC_NAMES, and what one of each is
    ("displays", "accounts", "plays"); all other names are always None."""
    lists_posts: bool = True
    """Whether an account's history can be read; False = `list_publications` gives one empty page."""
    finds_out: bool = True
    """Whether `find_publication` can tell; False = it raises CannotFindOutError, and a person decides."""
    publishing_limit: PublishingLimit | None = None
    """How often an account may publish; None = the platform publishes no such limit."""
    refresh_before: timedelta | None = None
    """How long before `expires_at` a token should be refreshed; None = tokens are never refreshed."""
    options: type[PlatformOptions] = PlatformOptions
    """The options of a post on this platform only."""
    reconciliation: str = ""
    """One sentence: how the outcome of an ambiguous publish is found out."""

    @property
    def fit_rule(self) -> FitRule:
        """What a picture may be converted into for this platform."""
        return FitRule(self.image_types, self.max_image_bytes, self.max_image_pixels)

    @property
    def media_limits(self) -> Mapping[MediaKind, int]:
        """Largest number of media of each kind in a post."""
        most: dict[MediaKind, int] = {
            "image": self.max_images,
            "video": self.max_videos,
            "document": self.max_documents,
        }
        return {kind: count for kind, count in most.items() if kind in self.media_kinds}

    def write_text(self, content: PostContent) -> str:
        """Return the text of the first post as this platform gets it."""
        text = self._compose(content)
        return text if self.rewrite_text is None else self.rewrite_text(text)

    def shows_link_in_text(self, content: PostContent) -> bool:
        """Return whether the content's link is part of that text; if not, it has a field of its own."""
        return content.link is not None and self._compose(content) != content.text

    def _compose(self, content: PostContent) -> str:
        text = compose_text(content) if self.link_in_text else content.text
        return self.options.of(content).write_text(content, text)

    def limit_of(self, content: PostContent) -> int:
        """Return how long that text may be, in `text_unit`."""
        with_media = self.text_limit_with_media
        return (
            self.text_limit if with_media is None or not content.media else min(self.text_limit, with_media)
        )

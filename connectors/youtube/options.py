"""Options of a video on YouTube. Source: youtube/youtube.v3.json, videos.insert (VideoSnippet, VideoStatus)."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StrictBool

from connectors.content.options import PlatformOptions, option_problem
from connectors.content.problems import ContentProblem
from connectors.content.validation import is_web_address
from connectors.types import Media, PostContent

_TITLE_LIMIT = 100
_TAGS_LIMIT = 500  # developers.google.com, videos: snippet.tags[], with quotes around tags that hold a space


class YouTubeOptions(PlatformOptions):
    """Options of a video on YouTube."""

    title: str | None = Field(
        default=None,
        min_length=1,
        max_length=_TITLE_LIMIT,
        description="Default: the first line of the text, which stays in the description.",
        examples=["Five teas in five minutes"],
    )
    privacy: Literal["public", "unlisted", "private"] = Field(
        default="public",
        description="Who can watch it. Videos of apps that Google has not audited become private whatever is sent.",
    )
    publish_at: AwareDatetime | None = Field(
        default=None,
        description="The video is uploaded at the post's time as private, and YouTube itself makes it public at this "
        "later time (ISO 8601 with offset).",
        examples=["2030-04-15T14:30:00Z"],
    )
    tags: tuple[Annotated[str, Field(min_length=1, max_length=100)], ...] = Field(
        default=(),
        max_length=100,
        description="At most 500 characters together.",
        examples=[["tea", "brewing"]],
    )
    category: str | None = Field(
        default=None,
        pattern=r"^[0-9]{1,3}$",
        description="Category id, such as 22 (People & Blogs) or 27 (Education). Default: YouTube's.",
        examples=["27"],
    )
    playlist: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]{2,64}$",
        description="Id of a playlist of the channel, to which the video is added.",
        examples=["PLrAXtmErZgOeiKm4sgNOknGvNjby9efdf"],
    )
    thumbnail: str | None = Field(
        default=None,
        max_length=2000,
        description="Public address of the thumbnail, JPEG or PNG of at most 2 MB. The channel must be verified.",
    )
    short: Literal[True] | None = Field(
        default=None,
        description="true: the video must become a Short. YouTube makes one of each upright or square video of at most "
        "3 minutes; a file (MP4, MOV) that is none is refused before the upload.",
    )
    made_for_kids: StrictBool = Field(
        default=False, description="The declaration that the law (COPPA) demands. It is always sent."
    )
    notify_subscribers: StrictBool = Field(default=True, description="Whether subscribers are notified.")
    embeddable: StrictBool = Field(default=True, description="Whether other sites may embed it.")
    licence: Literal["youtube", "creative_commons"] = Field(
        default="youtube", description="The video's licence."
    )
    language: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
        description="BCP 47 code of title and description.",
        examples=["en"],
    )
    ai_generated: StrictBool | None = Field(
        default=None,
        description="Whether it shows realistic altered or synthetic content (containsSyntheticMedia).",
    )

    def list_media(self) -> dict[str, Media]:
        """Return the thumbnail, if one is given."""
        return {} if self.thumbnail is None else {"thumbnail": Media(url=self.thumbnail)}

    def find_problems(self, content: PostContent, text_limit: int) -> Iterator[ContentProblem]:  # noqa: ARG002 (common signature)
        """Check characters, the length of all tags, and that publish_at fits the privacy."""
        if self.title is not None and (set(self.title) & set("<>") or not self.title.strip()):
            yield option_problem("title", "a title holds neither < nor >, and is not empty: change it")
        length = sum(len(tag) + (2 if " " in tag else 0) for tag in self.tags) + max(0, len(self.tags) - 1)
        if length > _TAGS_LIMIT:
            yield option_problem(
                "tags", f"the tags are {length} characters long, YouTube takes {_TAGS_LIMIT}: leave some out"
            )
        if any(set(tag) & set("<>") for tag in self.tags):
            yield option_problem("tags", "a tag holds < or >, which YouTube refuses: leave it out")
        if self.thumbnail is not None and not is_web_address(self.thumbnail):
            yield option_problem(
                "thumbnail", f"{self.thumbnail[:100]!r} is not a web address: start it with https://"
            )
        if self.publish_at is not None:
            if "privacy" in self.model_fields_set and self.privacy != "private":
                yield option_problem(
                    "publish_at", "publish_at needs a private video: leave privacy out, or set it to private"
                )
            if not datetime(2005, 1, 1, tzinfo=UTC) < self.publish_at < datetime(2100, 1, 1, tzinfo=UTC):
                yield option_problem(
                    "publish_at", "publish_at is out of range: give a time after the post's own"
                )

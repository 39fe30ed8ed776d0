"""Every option of every platform: what is asked for, and which wire field must carry it.

Each case is published to the simulated platform, which keeps the fields that it received; `tests/specs` sends the
same cases past the platforms' own specifications.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connectors.types import Media, Platform, PostContent

PHOTO = Media(url="http://sandbox.test/_sandbox/media/photo.png", alt_text="a photo")
SECOND = Media(url="http://sandbox.test/_sandbox/media/photo.png?2")
PAPER = Media(url="http://sandbox.test/_sandbox/media/paper.pdf", kind="document")
FILM = Media(url="http://sandbox.test/_sandbox/media/video.mp4", kind="video")
PNG_BYTES = 70
"""Size of the picture that the simulated server has at PHOTO."""
LINK = "https://example.com/tea"


@dataclass(frozen=True)
class OptionCase:
    """One option, the content that it needs, and the fields that the platform must get."""

    platform: Platform
    options: dict[str, Any]
    fields: dict[str, Any]
    media: tuple[Media, ...] = ()
    text: str = "Five teas"
    link: str | None = None

    @property
    def content(self) -> PostContent:
        return PostContent(text=self.text, media=self.media, link=self.link, options=self.options)

    def __str__(self) -> str:
        return f"{self.platform}-{'-'.join(self.options)}"


def _cases(
    platform: Platform, *rows: tuple[dict[str, Any], dict[str, Any]], **content: Any
) -> list[OptionCase]:
    return [OptionCase(platform, options, fields, **content) for options, fields in rows]


P = Platform
CASES: list[OptionCase] = [
    *_cases(
        P.MASTODON,
        ({}, {"visibility": "public"}),
        ({"visibility": "unlisted"}, {"visibility": "unlisted"}),
        ({"content_warning": "Spoilers"}, {"spoiler_text": "Spoilers"}),
        ({"language": "de"}, {"language": "de"}),
        (
            {"poll": {"choices": ["Tea", "Coffee"], "duration_minutes": 60, "multiple": True}},
            {
                "poll": {
                    "options": ["Tea", "Coffee"],
                    "expires_in": 3600,
                    "multiple": True,
                    "hide_totals": False,
                }
            },
        ),
        ({"content_type": "text/plain"}, {"content_type": "text/plain"}),
        ({"quote_policy": "nobody"}, {"quote_approval_policy": "nobody"}),
    ),
    OptionCase(P.MASTODON, {"sensitive": True}, {"sensitive": True}, media=(PHOTO,)),
    *_cases(
        P.TWITTER,
        ({"reply_settings": "mentioned"}, {"reply_settings": "mentionedUsers"}),
        ({"quote": "1846"}, {"quote_tweet_id": "1846"}),
        ({"community": "77"}, {"community_id": "77"}),
        (
            {"poll": {"choices": ["Tea", "Coffee"], "duration_minutes": 60}},
            {"poll": {"options": ["Tea", "Coffee"], "duration_minutes": 60}},
        ),
        ({"paid_partnership": True}, {"paid_partnership": True}),
        ({"ai_generated": True}, {"made_with_ai": True}),
        ({"subscribers_only": True}, {"for_super_followers_only": True}),
    ),
    OptionCase(P.TWITTER, {"tagged_users": ["12", "13"]}, {"tagged_user_ids": ["12", "13"]}, media=(PHOTO,)),
    *_cases(
        P.TELEGRAM,
        ({"silent": True}, {"disable_notification": "true"}),
        ({"protect": True}, {"protect_content": "true"}),
        ({"link_preview": False}, {"link_preview_options": '{"is_disabled":true}'}),
        (
            {"buttons": [[{"text": "Read on", "url": LINK}]]},
            {"reply_markup": f'{{"inline_keyboard":[[{{"text":"Read on","url":"{LINK}"}}]]}}'},
        ),
        ({"topic": 7}, {"message_thread_id": "7"}),
    ),
    OptionCase(P.TELEGRAM, {"spoiler": True}, {"has_spoiler": "true"}, media=(PHOTO,)),
    *_cases(
        P.THREADS,
        ({"reply_control": "following"}, {"reply_control": "accounts_you_follow"}),
        ({"topic_tag": "Tea"}, {"topic_tag": "Tea"}),
        (
            {"poll": {"choices": ["Tea", "Coffee"]}},
            {"poll_attachment": '{"option_a":"Tea","option_b":"Coffee"}'},
        ),
        ({"quote": "1846"}, {"quote_post_id": "1846"}),
        ({"location": "7"}, {"location_id": "7"}),
    ),
    OptionCase(P.THREADS, {"spoiler": True}, {"is_spoiler_media": "true"}, media=(PHOTO,)),
    OptionCase(P.THREADS, {"topic_tag": "Tea"}, {"topic_tag": "Tea"}, media=(PHOTO, SECOND)),
    *_cases(
        P.INSTAGRAM,
        ({"collaborators": ["@rye", "oat"]}, {"collaborators": '["rye","oat"]'}),
        (
            {"user_tags": [{"username": "rye", "x": 0.5, "y": 0.25}]},
            {"user_tags": '[{"username":"rye","x":0.5,"y":0.25}]'},
        ),
        ({"location": "7"}, {"location_id": "7"}),
        media=(PHOTO,),
    ),
    *_cases(
        P.INSTAGRAM,
        (
            {"user_tags": [{"username": "rye", "x": 0.5, "y": 0.25}]},
            {"user_tags": '[{"username":"rye","x":0.5,"y":0.25}]'},
        ),
        ({"location": "7"}, {"location_id": "7"}),
        media=(PHOTO, SECOND),
    ),
    *_cases(
        P.INSTAGRAM,
        ({"cover": LINK}, {"cover_url": LINK}),
        ({"cover_time_ms": 1500}, {"thumb_offset": "1500"}),
        ({"share_to_feed": False}, {"share_to_feed": "false"}),
        media=(FILM,),
    ),
    OptionCase(P.INSTAGRAM, {"kind": "reel"}, {}, media=(FILM,)),
    OptionCase(P.INSTAGRAM, {"kind": "carousel"}, {}, media=(PHOTO, SECOND)),
    OptionCase(P.INSTAGRAM, {"kind": "story"}, {"media_type": "STORIES"}, media=(PHOTO,), text=""),
    OptionCase(P.INSTAGRAM, {"kind": "story"}, {"media_type": "STORIES"}, media=(FILM,), text=""),
    *_cases(
        P.FACEBOOK,
        ({"place": "7"}, {"place": "7"}),
        ({"countries": ["DE", "AT"]}, {"targeting": '{"geo_locations":{"countries":["DE","AT"]}}'}),
    ),
    OptionCase(P.FACEBOOK, {"kind": "reel", "place": "7"}, {"edge": "reel", "place": "7"}, media=(FILM,)),
    OptionCase(P.FACEBOOK, {"kind": "story"}, {"edge": "photo_stories"}, media=(PHOTO,), text=""),
    OptionCase(P.FACEBOOK, {"kind": "story"}, {"edge": "video_stories"}, media=(FILM,), text=""),
    OptionCase(P.FACEBOOK, {"video_title": "Five teas"}, {"title": "Five teas"}, media=(FILM,)),
    *_cases(
        P.PINTEREST,
        ({"board": "tea"}, {"board_id": "TEA"}),
        ({"board": "Tea", "section": "green"}, {"board_id": "TEA", "board_section_id": "GREEN"}),
        ({"title": "Five"}, {"title": "Five"}),
        ({"link": LINK}, {"link": LINK}),
        ({"alt_text": "a cup"}, {"alt_text": "a cup"}),
        media=(PHOTO,),
    ),
    OptionCase(P.PINTEREST, {"cover_second": 4}, {"cover_image_key_frame_time": 4}, media=(FILM,)),
    *_cases(
        P.TIKTOK,
        ({"privacy": "private"}, {"privacy_level": "SELF_ONLY"}),
        ({"allow_comments": False}, {"disable_comment": True}),
        ({"allow_duet": False}, {"disable_duet": True}),
        ({"allow_stitch": False}, {"disable_stitch": True}),
        ({"own_brand": True}, {"brand_organic_toggle": True}),
        ({"branded_content": True}, {"brand_content_toggle": True}),
        ({"ai_generated": True}, {"is_aigc": True}),
        ({"cover_time_ms": 1500}, {"video_cover_timestamp_ms": 1500}),
        media=(FILM,),
    ),
    *_cases(
        P.TIKTOK,
        ({"title": "Five"}, {"title": "Five"}),
        ({"auto_add_music": True}, {"auto_add_music": True}),
        ({"cover_photo": 1}, {"photo_cover_index": 1}),
        media=(PHOTO, SECOND),
    ),
    *_cases(
        P.LINKEDIN,
        ({"allow_reshare": False}, {"isReshareDisabledByAuthor": True}),
        (
            {"poll": {"question": "Which?", "choices": ["Tea", "Coffee"], "duration_days": 7}},
            {
                "poll": {
                    "question": "Which?",
                    "options": [{"text": "Tea"}, {"text": "Coffee"}],
                    "settings": {"duration": "SEVEN_DAYS"},
                }
            },
        ),
    ),
    OptionCase(
        P.LINKEDIN,
        {"article": {"title": "Five teas"}},
        {"article": {"source": LINK, "title": "Five teas"}},
        link=LINK,
    ),
    OptionCase(
        P.LINKEDIN,
        {"document": {"title": "Our year"}},
        {"shown_title": "Our year"},
        media=(PAPER,),
    ),
    *_cases(
        P.BLUESKY,
        ({"languages": ["en", "de"]}, {"langs": ["en", "de"]}),
        (
            {"labels": ["nudity"]},
            {"labels": {"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": "nudity"}]}},
        ),
        ({"reply_gate": "nobody"}, {"allow": []}),
        (
            {"reply_gate": ["followers", "mentioned"]},
            {
                "allow": [
                    {"$type": "app.bsky.feed.threadgate#followerRule"},
                    {"$type": "app.bsky.feed.threadgate#mentionRule"},
                ]
            },
        ),
        ({"quote_gate": "nobody"}, {"embeddingRules": [{"$type": "app.bsky.feed.postgate#disableRule"}]}),
    ),
    *_cases(
        P.YOUTUBE,
        ({}, {"privacyStatus": "public", "selfDeclaredMadeForKids": False}),
        ({"title": "Five"}, {"title": "Five"}),
        ({"privacy": "unlisted"}, {"privacyStatus": "unlisted"}),
        (
            {"publish_at": "2030-04-15T16:30:00+02:00"},
            {"privacyStatus": "private", "publishAt": "2030-04-15T14:30:00Z"},
        ),
        ({"tags": ["tea", "how to"]}, {"tags": ["tea", "how to"]}),
        ({"category": "27"}, {"categoryId": "27"}),
        ({"playlist": "PL7"}, {"playlists": ["PL7"]}),
        ({"thumbnail": PHOTO.url}, {"thumbnail_bytes": PNG_BYTES}),
        ({"short": True}, {"privacyStatus": "public"}),
        ({"made_for_kids": True}, {"selfDeclaredMadeForKids": True}),
        ({"notify_subscribers": False}, {"notifySubscribers": "false"}),
        ({"embeddable": False}, {"embeddable": False}),
        ({"licence": "creative_commons"}, {"license": "creativeCommon"}),
        ({"language": "en"}, {"defaultLanguage": "en"}),
        ({"ai_generated": True}, {"containsSyntheticMedia": True}),
        media=(FILM,),
    ),
]
"""Options tested elsewhere: bluesky's quote and LinkedIn's visibility need a second account."""

ELSEWHERE = {("bluesky", "quote"), ("linkedin", "visibility")}

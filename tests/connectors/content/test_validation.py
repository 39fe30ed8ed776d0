import pytest

from connectors.capabilities import CAPABILITIES, get_capabilities, validate_content
from connectors.errors import UnsupportedError
from connectors.registry import CONNECTORS
from connectors.types import Media, Platform, PostContent

PHOTO = Media(url="https://cdn.example/a.png")
VIDEO = Media(url="https://cdn.example/a.mp4", kind="video")


def described(length: int) -> Media:
    return Media(url="https://cdn.example/a.png", alt_text="x" * length)


LINK = "https://example.com/" + "a" * 400


@pytest.mark.parametrize(
    ("platform", "content", "problems"),
    [
        ("twitter", {"text": "x" * 280}, []),
        ("twitter", {"text": "x" * 281}, [("text_too_long", "text")]),
        ("twitter", {"text": "日" * 141}, [("text_too_long", "text")]),
        ("twitter", {"text": "x" * 255, "link": LINK}, []),
        ("twitter", {"text": "x" * 256, "link": LINK}, [("text_too_long", "text")]),
        ("twitter", {}, [("empty", "text")]),
        ("twitter", {"text": " \n"}, [("empty", "text")]),
        ("twitter", {"media": (PHOTO,)}, []),
        ("twitter", {"text": "a", "thread": ("b", "c" * 281)}, [("text_too_long", "thread")]),
        ("twitter", {"text": "a", "thread": ("",)}, [("empty", "thread")]),
        ("twitter", {"text": "a\ufeffb"}, [("invalid_text", "text")]),
        ("twitter", {"text": "a", "thread": ("\ufffe",)}, [("invalid_text", "thread")]),
        ("twitter", {"text": "a", "first_comment": "b\uffff"}, [("invalid_text", "first_comment")]),
        ("twitter", {"text": "\u2066\u202aa\u202c\u2069"}, []),
        ("mastodon", {"text": "a\ufeffb"}, []),
        ("twitter", {"text": "a", "media": (PHOTO,) * 5}, [("too_many_media", "media")]),
        ("twitter", {"text": "a", "media": (PHOTO, VIDEO)}, [("media_mixed", "media")]),
        ("twitter", {"text": "a", "media": (VIDEO, VIDEO)}, [("too_many_media", "media")]),
        (
            "twitter",
            {"text": "a", "media": (Media(url="file:///etc/passwd"),)},
            [("invalid_media_url", "media")],
        ),
        ("twitter", {"text": "a", "link": "example"}, [("invalid_link", "link")]),
        ("twitter", {"text": "a", "first_comment": "b" * 281}, [("text_too_long", "first_comment")]),
        ("twitter", {"text": "a", "first_comment": " "}, [("empty", "first_comment")]),
        ("bluesky", {"text": "👨‍👩‍👧‍👦" * 121}, [("text_too_long", "text")]),  # 121 characters, 3025 bytes
        ("bluesky", {"text": "é" * 300}, []),
        ("bluesky", {"text": "é" * 301}, [("text_too_long", "text")]),
        ("bluesky", {"text": "a", "media": (VIDEO,)}, [("media_unsupported", "media")]),
        ("mastodon", {"text": "x" * 477, "link": LINK}, [("text_too_long", "text")]),
        ("mastodon", {"text": "x" * 475, "link": LINK}, []),
        ("mastodon", {"media": (described(1500),)}, []),
        ("mastodon", {"media": (described(1501),)}, [("alt_text_too_long", "media")]),
        ("twitter", {"media": (described(1000),)}, []),
        ("twitter", {"media": (described(1001),)}, [("alt_text_too_long", "media")]),
        ("instagram", {"media": (described(1001),)}, [("alt_text_too_long", "media")]),
        ("bluesky", {"media": (described(5000),)}, []),
        ("instagram", {"text": "a"}, [("media_required", "media")]),
        ("instagram", {"text": "x" * 2201, "media": (PHOTO,)}, [("text_too_long", "text")]),
        ("instagram", {"media": (PHOTO,) * 10}, []),
        ("instagram", {"media": (PHOTO,), "thread": ("b",)}, [("thread_unsupported", "thread")]),
    ],
)
def test_what_a_platform_refuses(
    platform: str, content: dict[str, object], problems: list[tuple[str, str]]
) -> None:
    found = validate_content(Platform(platform), PostContent.model_validate(content))
    assert [(problem.code, problem.field) for problem in found] == problems


def test_half_a_character_in_an_alt_text_is_named() -> None:
    broken = Media.model_construct(url="https://cdn.example/a.png", kind="image", alt_text="broken \ud83d")
    content = PostContent.model_construct(text="a", media=(broken,), link=None, thread=(), first_comment=None)
    found = validate_content(Platform.TWITTER, content)
    assert [(problem.code, problem.field) for problem in found] == [("invalid_text", "media")]


def test_half_a_character_is_named() -> None:
    content = PostContent.model_construct(
        text="broken \ud83d", media=(), link=None, thread=(), first_comment=None
    )
    assert [problem.code for problem in validate_content(Platform.TWITTER, content)] == ["invalid_text"]


def test_the_detail_says_by_how_much() -> None:
    (problem,) = validate_content(Platform.TWITTER, PostContent(text="x" * 300))
    assert problem.detail == (
        "the text is 300 weighted characters long, X (Twitter) takes 280: shorten it by 20"
    )


def test_the_detail_says_that_the_limit_is_another_beside_media() -> None:
    content = PostContent(text="x" * 1030, media=(Media(url="https://a.example/b.png"),))
    (problem,) = validate_content(Platform.TELEGRAM, content)
    assert problem.detail == (
        "the text is 1030 characters long, Telegram takes 1024 with media: shorten it by 6"
    )


def test_every_platform_that_has_a_name_has_a_connector() -> None:
    assert set(CONNECTORS) == set(CAPABILITIES) == set(Platform)


def test_a_platform_without_a_connector_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(CAPABILITIES, Platform.TELEGRAM)
    with pytest.raises(UnsupportedError, match="telegram yet"):
        get_capabilities(Platform.TELEGRAM)


def test_a_character_that_nobody_sees_is_named_by_its_number() -> None:
    (problem,) = validate_content(Platform.TWITTER, PostContent(text="a\ufeffb"))
    assert problem.detail == (
        "the text holds the invisible character U+FEFF, which X (Twitter) refuses: leave it out"
    )

"""An address of a picture is spelled in the one way that every reader understands alike."""

from __future__ import annotations

import pytest

from connectors.content.validation import is_web_address


@pytest.mark.parametrize(
    "host",
    [
        *("0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "127.1", "2130706433", "0", "256.1.1.1", "127.0.0.08"),
        *(
            "127\u30020\u30020\u30021",
            "\uff11\uff12\uff17.0.0.1",
            "\u2488",
            "loc\u00adalhost",
            "local\u200bhost",
        ),
        *(
            "a:b@example.com",
            "example.com:80@127.0.0.1",
            "@example.com",
            "example.com\\.127.0.0.1",
            "a\x00.com",
        ),
        *("", "_", "*", ".", "example.com:99999", "example.com:a", "[::1", "[127.0.0.1]"),
    ],
)
def test_an_unusual_spelling_is_no_address(host: str) -> None:
    assert not is_web_address(f"https://{host}/a.png")


@pytest.mark.parametrize(
    "host",
    [
        *("example.com", "example.com.", "a_b.example", "b\u00fccher.example", "xn--bcher-kva.example"),
        *("\u4f8b\u3048.jp", "8.8.8.8", "8.8.8.8:443", "[2606:4700::1111]", "EXAMPLE.com:8443", "1.example"),
        "127.0.0.1:8000",
    ],
)
def test_a_usual_one_is(host: str) -> None:
    assert is_web_address(f"https://{host}/a.png?b=c#d")


@pytest.mark.parametrize("char", [" ", "\t", "\n", "\xa0", "\u2028", "\u3000", "\ufeff", "\x00", "\\"])
def test_a_character_that_ends_a_link_is_in_no_address(char: str) -> None:
    assert not is_web_address(f"https://example.com/a{char}b")

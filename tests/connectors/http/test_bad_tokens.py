"""A token that a server refuses in words of its own is a problem of the account, not of the content."""

from __future__ import annotations

import pytest

from connectors.http.messages import says_bad_token
from connectors.http.redaction import REDACTED, redact


@pytest.mark.parametrize(
    "words",
    [
        "Invalid Bearer token",
        "invalid access token",
        "The access token is invalid",
        "Your token has expired",
        "Token has been revoked",
        "This token is no longer valid",
        "The OAuth token was not recognized",
        "Missing auth token",
        "Unknown API-token",
    ],
)
def test_words_for_an_invalid_token(words: str) -> None:
    message = f"Takahe (tea.example) answered 400: {words}"
    assert says_bad_token(message)
    assert redact(message) == message, "redaction leaves the words"


@pytest.mark.parametrize(
    "message",
    [
        "Mastodon answered 422: Validation failed: Text is too long",
        "Mastodon answered 400: Unexpected token < in JSON",
        "Mastodon answered 422: the text mentions an invalid token",
        "Mastodon answered 200: Invalid Bearer token",
    ],
)
def test_other_words(message: str) -> None:
    assert not says_bad_token(message)


@pytest.mark.parametrize(
    "message",
    [
        "Bearer token=abcdef123456789",
        "Bearer abcdef123456789",
        'bearer "abcdef123456789"',
        "Bearer is-abcdef123456789",
    ],
)
def test_a_token_beside_the_word_is_still_removed(message: str) -> None:
    assert "abcdef123456789" not in redact(message)
    assert REDACTED in redact(message)

import logging

import httpx
import pytest
from pydantic import SecretStr

from connectors.http.messages import excerpt, platform_message
from connectors.http.pool import open_client
from connectors.http.redaction import REDACTED, redact
from connectors.settings import ConnectorSettings

TOKEN = "IGQVJ-planted/token+1"


@pytest.mark.parametrize(
    "text",
    [
        f"refused {TOKEN} today",
        "refused IGQVJ-planted%2Ftoken%2B1 today",
        f"https://host/refresh?grant_type=x&access_token={TOKEN}",
        f"Authorization: Bearer {TOKEN}",
        f'{{"access_token": "{TOKEN}", "expires_in": 1}}',
    ],
)
def test_a_known_secret_never_stays(text: str) -> None:
    clean = redact(text, [SecretStr(TOKEN), None])
    assert "planted" not in clean
    assert REDACTED in clean


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdef123456",
        "?access_token=abcdef123456&x=1",
        '{"accessJwt": "abcdef123456"}',
        "token eyJhbGciOiJIUzI1NiJ9.abcdef123456.sig",
    ],
)
def test_an_unknown_token_is_recognised_by_its_form(text: str) -> None:
    assert "abcdef123456" not in redact(text)


def test_ordinary_words_stay() -> None:
    text = "the password is wrong, basic access is off"
    assert redact(text, [SecretStr("is"), SecretStr("")]) == text


async def test_the_http_log_holds_no_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={}))
    async with open_client(ConnectorSettings(), transport=transport) as client:
        await client.get("https://graph.instagram.com/refresh_access_token", params={"access_token": TOKEN})
    assert "graph.instagram.com" in caplog.text, "the request is logged at all"
    assert "planted" not in caplog.text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"title": "Forbidden", "detail": "Not allowed.", "type": "about:blank"}, "Not allowed.; Forbidden"),
        ({"errors": [{"message": "bad ids"}, {"message": "bad field"}]}, "bad ids; bad field"),
        ({"error": {"message": "Expired", "code": 190}}, "Expired"),
        ({"error": "invalid_grant", "error_description": "Spent."}, "Spent.; invalid_grant"),
        ({"error": "InvalidToken", "message": "No."}, "No.; InvalidToken"),
        ({"error": 5, "message": None, "errors": ["x", 3]}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_the_platforms_own_words(body: object, words: str) -> None:
    assert platform_message(body) == words


def test_html_becomes_one_short_line() -> None:
    page = (
        b"<html><head><title>x</title><style>p{}</style></head><body>\n<h1>502 Bad &amp; Gateway</h1>"
        + b"<p>a</p>" * 500
    )
    line = excerpt(page)
    assert line.startswith("502 Bad & Gateway a a")
    assert len(line) == 300
    assert excerpt(b"\xff\xfe\x00oops\r\n\tnow") == "�� oops now"

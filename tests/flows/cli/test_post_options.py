"""Options, validation, platforms and deletion on the command line: as typed, over a real store."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from connectors.types import Credentials, Platform, VerifiedAccount
from flows.cli import app
from warehouse.errors import InvalidInputError
from warehouse.planning.option_texts import add_option
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.models import Publication

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.store.database import Store


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [*arguments])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout) if "--json" in arguments else result.output


@pytest.fixture(autouse=True)
def _accounts(store: Store) -> None:
    now = datetime.now(UTC)
    with store.write() as session:
        workspace = ensure_default_workspace(session, now)
        for platform in (Platform.MASTODON, Platform.INSTAGRAM):
            verified = VerifiedAccount("1", "someone", "Someone", Credentials(SecretStr("token")))
            connect_account(session, store.cipher, workspace.id, verified, platform, now)


CREATE = ("posts", "create", "--content", "hello", "--platform", "mastodon", "--at", "2099-01-01T10:00:00Z")


def test_options_are_typed_one_by_one_or_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "options.json"
    file.write_text('{"mastodon": {"visibility": "private", "language": "en"}}')
    typed = ("--option", "mastodon.visibility=unlisted", "--option", "mastodon.poll.choices=tea,rye")
    more = ("--option", "mastodon.poll.multiple=true", "--option", "mastodon.poll.duration_minutes=60")
    post = run(*CREATE, "--options-file", str(file), *typed, *more, "--json")
    poll = {"choices": ["tea", "rye"], "multiple": True, "duration_minutes": 60}
    told = {"mastodon": {"visibility": "unlisted", "language": "en", "poll": poll}}
    assert post["options"] == told
    edited = run("posts", "edit", post["id"], "--content", "other", "--json")
    assert edited["options"] == told
    assert run("posts", "edit", post["id"], "--clear", "options", "--json")["options"] == {}


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("mastodon.visbility=unlisted", "mastodon.visbility is not an option: use visibility"),
        ("mastodon.visibility=secret", "--option"),
        ("myspace.visibility=secret", "unknown platform"),
        ("visibility=secret", "write PLATFORM.NAME"),
        ("mastodon.visibility", "PLATFORM.NAME=VALUE"),
        ("mastodon.sensitive=maybe", "--option"),
    ],
)
def test_a_wrong_option_is_one_sentence_that_names_it(option: str, words: str) -> None:
    output = run(*CREATE, "--option", option, code=1)
    assert words in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("youtube.made_for_kids", "yes", True),
        ("youtube.tags", "tea, how to", ["tea", "how to"]),
        ("youtube.tags", '["a,b"]', ["a,b"]),
        ("youtube.title", "123", "123"),
        ("tiktok.cover_time_ms", "1500", 1500),
        ("linkedin.poll.duration_days", "7", 7),
        ("bluesky.reply_gate", "nobody", "nobody"),
        ("bluesky.reply_gate", "followers,mentioned", ["followers", "mentioned"]),
        (
            "telegram.buttons",
            '[[{"text": "a", "url": "https://a.example"}]]',
            [[{"text": "a", "url": "https://a.example"}]],
        ),
        ("X.poll", '{"choices": ["a", "b"]}', {"choices": ["a", "b"]}),
    ],
)
def test_text_becomes_the_type_of_the_option(path: str, text: str, value: Any) -> None:
    options: dict[str, Any] = {}
    add_option(options, path, text)
    (platform,) = options
    found = options[platform]
    for step in path.split(".")[1:]:
        found = found[step]
    assert found == value
    with pytest.raises(InvalidInputError):
        add_option({}, f"{path}.more", text)


def test_recurrences_have_options() -> None:
    rule = ("--rule", "FREQ=WEEKLY;COUNT=2", "--starts-at", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"))
    what = ("--content", "hello", "--platform", "mastodon", "--option", "mastodon.visibility=unlisted")
    made = run("recurrences", "create", *rule, *what, "--json")
    assert made["options"] == {"mastodon": {"visibility": "unlisted"}}


def test_platforms_shows_limits_and_each_option_by_the_name_to_type() -> None:
    assert len(run("platforms", "--json")) == len(Platform)
    table = run("platforms", "--platform", "youtube")
    assert "youtube.privacy" in table
    assert "public|unlisted|private" in table
    assert "weighted characters" in run("platforms")


def test_validate_shows_counts_and_problems_and_its_exit_code_tells(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 64)
    shown = run("posts", "validate", *CREATE[2:], "--image", str(picture), "--json")
    assert shown["valid"]
    assert (shown["publications"][0]["parts"][0]["length"], len(shown["publications"][0]["media"])) == (5, 1)
    assert run("posts", "list", "--json") == []
    assert run("media", "list", "--json") == [], "the file was not kept"
    output = run("posts", "validate", "--content", "x" * 501, "--platform", "mastodon", code=1)
    assert "501" in output
    assert "not valid" in output


def test_unpublish_says_per_account_what_happened(store: Store) -> None:
    media = ("--image", "https://example.com/a.png", "--platform", "instagram")
    post = run("posts", "create", "--content", "hello", *media, "--at", "2099-01-01T10:00:00Z", "--json")
    refused = run("posts", "unpublish", post["id"], "--yes", code=1)
    assert "nothing of this post is published" in refused
    with store.write() as session:
        row = session.get_one(Publication, post["publications"][0]["id"])
        row.status, row.external_id = "published", "17"
    assert "Instagram lets no app delete posts" in run("posts", "unpublish", post["id"], "--yes", code=1)


def test_edit_of_a_published_post_says_what_could_not_be_made(store: Store) -> None:
    def publish(platform: str, *media: str) -> str:
        post = run("posts", "create", "--content", "hello", "--platform", platform, *media, "--json")
        with store.write() as session:
            row = session.get_one(Publication, post["publications"][0]["id"])
            row.status, row.external_id = "published", "17"
        return str(post["id"])

    photo = publish("instagram", "--image", "https://example.com/a.png")
    assert "Instagram lets apps change only whether a published post accepts comments" in run(
        "posts", "edit", photo, "--content", "Six teas", code=1
    )
    shown = run("posts", "edit", publish("mastodon"), "--content", "Six teas", "--json", code=1)
    assert shown["publications"][0]["edit"]["state"] == "failed"
    assert shown["warnings"][0].startswith("not edited: mastodon: ")

"""Writing posts and deciding about them in the dashboard, as a browser without scripts does it."""

from __future__ import annotations

import csv
import html
import io
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from api.dashboard.sql import list_commits
from tests.api.analytics.test_overview import measure
from tests.api.dashboard.test_pages import form_token, make_key, sign_in
from tests.api.harness import NOON, PNG, make_tenant
from tests.api.optimal_times.test_advice import advise
from warehouse.store.measuring.measurements import record_measured
from warehouse.store.models import Publication

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import httpx

    from tests.api.harness import Server, Tenant

LIST, NEW = "/dashboard/posts", "/dashboard/posts/new"
ACTIONS = ("move", "cancel", "retry", "approve", "reject", "publications/pub_none/resolve")


@pytest.fixture
def browser(tenant: Tenant) -> Iterator[httpx.Client]:
    """A browser in which somebody who may write and approve is signed in."""
    signed_in = sign_in(tenant.server, make_key(tenant, "read", "write", "approve"))
    yield signed_in
    signed_in.close()


def fill_in(browser: httpx.Client, tenant: Tenant, **fields: object) -> dict[str, object]:
    """The fields of the form as the page gave it, with what somebody writes into it."""
    page = browser.get(NEW).text
    once = re.search(r'name="form" value="([\w-]+)"', page)
    token = re.search(r'name="form_token" value="(\w+)"', page)
    assert once
    assert token
    written = {
        "content": "hello there",
        "account": [tenant.accounts["twitter-user"]],
        "when": "now",
        "sure": "yes",
    }
    return {"form": once[1], "form_token": token[1], **written, **fields}


def send(
    browser: httpx.Client, fields: Mapping[str, object], file: tuple[str, bytes] = ("", b"")
) -> httpx.Response:
    """Send the form as a browser does: a field for a file is there with an empty name when none was chosen."""
    return browser.post(NEW, data=fields, files={"file": file})


def posts(tenant: Tenant) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = tenant.client.get("/api/v1/posts").json()["data"]
    return listed


def act(browser: httpx.Client, post_id: str, action: str, **fields: object) -> httpx.Response:
    return browser.post(f"{LIST}/{post_id}/{action}", data={"form_token": form_token(browser, NEW), **fields})


def set_status(tenant: Tenant, publication_id: str, status: str) -> None:
    with tenant.server.services.store.write() as session:
        row = session.get_one(Publication, publication_id)
        row.status, row.attempts, row.first_attempt_at = status, 1, NOON


def test_a_post_is_made_once_however_often_the_form_is_sent(tenant: Tenant, browser: httpx.Client) -> None:
    fields = fill_in(browser, tenant, content="one\r\ntwo", when="at", at="2026-03-02T15:30")
    for _ in range(2):
        answer = send(browser, fields)
        assert answer.status_code == 303
    (made,) = posts(tenant)
    assert answer.headers["location"] == f"{LIST}/{made['id']}?saved=at"
    assert (made["content"], made["status"]) == ("one\ntwo", "scheduled")
    assert made["scheduled_at"] == "2026-03-02T15:30:00Z"
    assert [one["account_id"] for one in made["publications"]] == [tenant.accounts["twitter-user"]]
    assert "one\ntwo" in browser.get(f"{LIST}/{made['id']}").text
    assert "one two" in browser.get(LIST).text


def test_pictures_are_added_one_by_one_described_and_left_out_again(
    tenant: Tenant, browser: httpx.Client
) -> None:
    fields = fill_in(browser, tenant, new_alt="a teapot", add="yes")
    shown = send(browser, fields, ("one.png", PNG)).text
    assert "hello there" in shown
    assert "one.png" in shown
    (first,) = re.findall(r'name="media" value="(upload:\w+)"', shown)
    assert 'name="alt" maxlength="1500" value="a teapot"' in shown
    del fields["add"]
    more = {"media": [first], "alt": ["a teapot, blue"], "new_alt": "its lid"}
    sent = {**fields, **more}
    for _ in range(2):  # a second click
        assert send(browser, sent, ("two.png", PNG + b"2")).status_code == 303
    (made,) = posts(tenant)
    alts = [item["alt_text"] for item in made["media"]]
    assert (alts, made["media"][0]["url"]) == (["a teapot, blue", "its lid"], first)

    again = fill_in(browser, tenant, content="without", media=[first], alt=["x"], drop=[first])
    assert send(browser, again).status_code == 303
    assert posts(tenant)[0]["media"] == []


def test_parts_keep_their_files_and_their_delays(tenant: Tenant, browser: httpx.Client) -> None:
    url = tenant.upload()["url"]
    rich = {"text": "two", "media": [{"url": url, "kind": "image", "alt_text": "a lid"}], "after": 600}
    made = tenant.create_post(thread=["one", rich], first_comment={"text": "and", "after": "1h"})
    page = browser.get(f"{LIST}/{made['id']}/edit").text
    assert "its files stay" in page

    def values(name: str) -> list[str]:
        found = re.findall(rf'name="{name}"[^>]*value="([^"]*)"', page)
        return [html.unescape(one) for one in found]

    fields = fill_in(
        browser,
        tenant,
        content="changed",
        when="at",
        at="2026-03-02T15:30",
        thread=["one", "two", "", "three"],
        thread_after=["", *values("thread_after")[1:3], "2h"],
        thread_media=values("thread_media"),
        first_comment="and",
        first_comment_after=values("first_comment_after")[0],
        first_comment_media=values("first_comment_media")[0],
        **{"opt.media.fit": "true"},
    )
    assert send(browser, fields).status_code == 303
    (copy,) = [post for post in posts(tenant) if post["id"] != made["id"]]
    assert copy["thread"] == ["one", rich, {"text": "three", "after": 7200}]
    assert copy["first_comment"] == {"text": "and", "after": 3600}
    assert copy["options"] == {"media": {"fit": True}}
    wrong = fill_in(browser, tenant, thread=["one"], thread_media=["no JSON"])
    assert send(browser, wrong).status_code == 403


def test_a_form_that_was_sent_and_then_changed_makes_another_post(
    tenant: Tenant, browser: httpx.Client
) -> None:
    """As the browser's way back leads to it: the form is there again with its old key."""
    fields = fill_in(browser, tenant)
    assert send(browser, fields).status_code == 303
    answer = send(browser, {**fields, "content": "other words"})
    assert answer.status_code == 422
    assert "was already submitted" in answer.text
    assert "Idempotency-Key" not in answer.text
    key = re.search(r'name="form" value="([\w-]+)"', answer.text)
    assert key
    assert send(browser, {**fields, "content": "other words", "form": key[1]}).status_code == 303
    assert {post["content"] for post in posts(tenant)} == {"hello there", "other words"}


@pytest.mark.parametrize(
    "fields",
    [{"content": "a\x00b"}, {"link": "https://e.example/\x00"}, {"account": ["\x00"]}, {"form": "\x00"}],
)
def test_what_a_database_cannot_hold_is_refused(
    tenant: Tenant, browser: httpx.Client, fields: dict[str, object]
) -> None:
    answer = send(browser, fill_in(browser, tenant, **fields))
    assert (answer.status_code, "NUL" in answer.text) == (422, True)
    made = tenant.create_post()
    assert act(browser, made["id"], "reject", version="1", reason="a\x00b").status_code == 422
    assert [post["id"] for post in posts(tenant)] == [made["id"]]


def test_pictures_without_their_descriptions_are_no_form_of_ours(
    tenant: Tenant, browser: httpx.Client
) -> None:
    assert send(browser, fill_in(browser, tenant, media=["upload:med_x"])).status_code == 403
    assert posts(tenant) == []


def test_what_is_no_picture_is_refused_and_the_words_stay(tenant: Tenant, browser: httpx.Client) -> None:
    answer = send(browser, fill_in(browser, tenant), ("page.html", b"<html></html>"))
    assert answer.status_code == 422
    assert "text/html, which is not accepted" in answer.text
    assert "hello there" in answer.text
    gone = fill_in(browser, tenant, media=["upload:med_none"], alt=[""])
    assert "med_none" in send(browser, gone).text
    assert browser.post(NEW, data=fill_in(browser, tenant)).status_code == 403, "not the page's form"
    assert posts(tenant) == []


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"account": []}, 422, "name at least one platform"),
        ({"when": ""}, 422, "choose when to publish it"),
        ({"when": "queue", "at": "2026-03-02T15:30"}, 422, "a time is filled in"),
        ({"when": "sometimes"}, 422, "is not a choice"),
        ({"when": "at", "at": ""}, 422, "is not a valid time"),
        ({"when": "at", "at": "2020-01-01T10:00"}, 422, "past"),
        ({"when": "queue"}, 422, "has no queue slots"),
        ({"content": "x" * 300}, 422, "280"),
        ({"account": ["acct_none"]}, 422, "acct_none"),
    ],
)
def test_what_is_wrong_is_said_beside_what_was_written_and_nothing_is_stored(
    tenant: Tenant, browser: httpx.Client, fields: dict[str, object], status: int, said: str
) -> None:
    answer = send(browser, fill_in(browser, tenant, **{"content": "<kept>", **fields}))
    assert answer.status_code == status, answer.text
    assert said in html.unescape(answer.text)
    assert ("&lt;kept&gt;" in answer.text) or ("x" * 300 in answer.text)
    assert posts(tenant) == []


def test_the_same_words_go_out_again_only_when_that_is_wanted(tenant: Tenant, browser: httpx.Client) -> None:
    assert send(browser, fill_in(browser, tenant)).status_code == 303
    refused = send(browser, fill_in(browser, tenant))
    assert refused.status_code == 409
    assert 'name="again"' in refused.text
    assert send(browser, fill_in(browser, tenant, again="yes")).status_code == 303
    assert len(posts(tenant)) == 2


def test_a_post_is_moved_sent_now_and_canceled(tenant: Tenant, browser: httpx.Client) -> None:
    post_id = tenant.create_post()["id"]
    assert act(browser, post_id, "move", at="2026-03-05T09:00").status_code == 303
    assert posts(tenant)[0]["scheduled_at"] == "2026-03-05T09:00:00Z"
    assert act(browser, post_id, "move", now="yes").status_code == 303
    assert posts(tenant)[0]["scheduled_at"] == NOON.isoformat().replace("+00:00", "Z")
    assert posts(tenant)[0]["scheduling"]["resolution"] == "now"
    assert act(browser, post_id, "move", at="soon").status_code == 422
    assert act(browser, post_id, "move").status_code == 422
    assert act(browser, post_id, "cancel").status_code == 303
    assert posts(tenant)[0]["status"] == "canceled"
    assert f"{post_id}/cancel" not in browser.get(f"{LIST}/{post_id}").text
    assert "it has no unsent publication to move" in act(browser, post_id, "move", now="yes").text


def test_times_are_read_and_shown_by_the_workspaces_clock(server: Server) -> None:
    tenant = make_tenant(server, timezone="Australia/Sydney")
    tenant.add_account("twitter")
    post_id = tenant.create_post(scheduled_at="2026-03-02T14:30:00Z")["id"]
    with sign_in(server, make_key(tenant, "read", "write")) as browser:
        page = browser.get(f"{LIST}/{post_id}").text
        assert "Tomorrow" not in page
        assert "Tue 3 Mar, 01:30" in page
        assert "Australia/Sydney" in page
        assert act(browser, post_id, "move", at="2026-03-05T09:00").status_code == 303
    assert posts(tenant)[0]["scheduled_at"] == "2026-03-04T22:00:00Z"


def test_what_failed_is_tried_again(tenant: Tenant, browser: httpx.Client) -> None:
    made = tenant.create_post()
    set_status(tenant, made["publications"][0]["id"], "failed")
    assert f"{made['id']}/retry" in browser.get(LIST).text, "the strip offers it"
    assert act(browser, made["id"], "retry").status_code == 303
    assert posts(tenant)[0]["publications"][0]["status"] == "scheduled"
    assert act(browser, made["id"], "retry").status_code == 409


@pytest.mark.parametrize(
    ("decision", "status"), [("published", "published"), ("send", "scheduled"), ("discard", "canceled")]
)
def test_a_person_decides_what_nobody_can_find_out(
    tenant: Tenant, browser: httpx.Client, decision: str, status: str
) -> None:
    made = tenant.create_post()
    publication_id = made["publications"][0]["id"]
    set_status(tenant, publication_id, "needs_review")
    address = f"publications/{publication_id}/resolve"
    assert f"{made['id']}/{address}" in browser.get(f"{LIST}/{made['id']}").text
    assert act(browser, made["id"], address, decision="maybe").status_code == 422
    assert act(browser, made["id"], address, decision=decision).status_code == 303
    assert posts(tenant)[0]["publications"][0]["status"] == status


def test_a_post_is_approved_as_it_was_read_or_sent_back(tenant: Tenant, browser: httpx.Client) -> None:
    with tenant.client_with("admin") as admin:
        assert admin.patch("/api/v1/workspace", json={"approval_required": True}).status_code == 200
    first, second = tenant.create_post(content="first"), tenant.create_post(content="second")
    page = browser.get(LIST).text
    version = re.search(rf'{first["id"]}/approve".*?name="version" value="(\d+)"', page)
    assert version
    changed = {"content": "first, changed"}
    assert tenant.client.patch(f"/api/v1/posts/{first['id']}", json=changed).status_code == 200
    assert act(browser, first["id"], "approve", version=version[1]).status_code == 412
    assert act(browser, first["id"], "approve", version="x").status_code == 403
    assert act(browser, first["id"], "approve", version=int(version[1]) + 1).status_code == 303
    reasons = {"": 422, "x" * 2001: 422, "too long": 303}
    for reason, status in reasons.items():
        answer = act(browser, second["id"], "reject", version=second["version"], reason=reason)
        assert answer.status_code == status
    states = {post["id"]: (post["status"], post["approval"]["state"]) for post in posts(tenant)}
    assert states == {first["id"]: ("scheduled", "approved"), second["id"]: ("draft", "rejected")}


def test_the_dashboard_approves_the_bytes_of_media(tenant: Tenant, browser: httpx.Client) -> None:
    with tenant.client_with("admin") as admin:
        assert admin.patch("/api/v1/workspace", json={"approval_required": True}).status_code == 200
    host = "https://cdn.example"
    good = tenant.create_post(content="good", media=[{"url": f"{host}/_sandbox/media/photo.png"}])
    gone = tenant.create_post(content="gone", media=[{"url": f"{host}/gone.png"}])
    assert act(browser, good["id"], "approve", version=good["version"]).status_code == 303
    refused = act(browser, gone["id"], "approve", version=gone["version"])
    assert refused.status_code == 422
    assert "404" in refused.text
    found = {post["id"]: post["approval"] for post in posts(tenant)}
    assert [file["url"] for file in found[good["id"]]["media"]] == [f"{host}/_sandbox/media/photo.png"]
    assert (found[gone["id"]]["state"], found[gone["id"]]["media"]) == ("pending", [])


def test_who_may_only_read_is_offered_nothing_and_changes_nothing(tenant: Tenant) -> None:
    made = tenant.create_post()
    with sign_in(tenant.server, make_key(tenant, "read")) as reader:
        page = reader.get(f"{LIST}/{made['id']}").text
        assert made["content"] in page
        assert f"{made['id']}/" not in page
        assert "button main" not in page
        token = re.search(r'name="form_token" value="(\w+)"', page)
        assert token
        for action in ACTIONS:
            fields = {"form_token": token[1], "decision": "send", "version": "1"}
            assert reader.post(f"{LIST}/{made['id']}/{action}", data=fields).status_code == 403
        assert send(reader, {"form_token": token[1], "content": "x"}).status_code == 403
        assert reader.get(NEW).status_code == 403
    (unchanged,) = posts(tenant)
    assert (unchanged["version"], unchanged["status"]) == (made["version"], "scheduled")


@pytest.mark.parametrize("token", ["", "wrong"])
def test_a_form_of_another_page_does_nothing(tenant: Tenant, browser: httpx.Client, token: str) -> None:
    made = tenant.create_post()
    for address in (NEW, *(f"{LIST}/{made['id']}/{action}" for action in ACTIONS)):
        fields = {"form_token": token, "decision": "send", "now": "yes", "version": "1", "content": "x"}
        answer = send(browser, fields) if address == NEW else browser.post(address, data=fields)
        assert answer.status_code == 403, address
    assert [post["version"] for post in posts(tenant)] == [made["version"]]


def test_a_post_of_another_workspace_is_none(tenant: Tenant, browser: httpx.Client) -> None:
    other = make_tenant(tenant.server)
    other.add_account("twitter", "stranger")
    theirs = other.create_post()
    for action in ("move", "cancel", "retry"):
        assert act(browser, theirs["id"], action, now="yes").status_code == 404
    assert other.client.get(f"/api/v1/posts/{theirs['id']}").json()["version"] == theirs["version"]


def test_the_best_posts_are_shown_by_their_words(tenant: Tenant) -> None:
    tenant.add_account("mastodon")
    measure(tenant, "mastodon-user", [3, 5])
    with tenant.server.services.lake.write() as cursor:
        cursor.execute(
            "UPDATE dims.publications SET text = 'tea <b>first</b>', permalink = 'https://social.example/1'"
        )
    assert NOON - timedelta(days=30) < tenant.server.clock()
    with sign_in(tenant.server, make_key(tenant, "analytics")) as browser:
        page = browser.get("/dashboard/numbers").text
    assert "tea &lt;b&gt;first&lt;/b&gt;" in page
    assert '<a href="https://social.example/1" rel="noopener noreferrer">Mastodon</a>' in page


def test_a_post_that_its_platform_deleted_is_shown_so_without_a_dead_link(
    browser: httpx.Client, tenant: Tenant
) -> None:
    made = tenant.create_post(content="gone by now", platforms=["twitter"])
    link = "https://x.com/i/777"
    with tenant.server.services.store.write() as session:
        row = session.get_one(Publication, made["publications"][0]["id"])
        row.status, row.external_id, row.permalink, row.published_at = "published", "777", link, NOON
    assert link in browser.get(f"{LIST}/{made['id']}").text
    found_at = NOON + timedelta(days=1)
    with tenant.server.services.store.write() as session:
        record_measured(session, found_at, deleted=[row.id])
    page = browser.get(f"{LIST}/{made['id']}").text
    assert link not in page
    assert "Deleted there" in page
    (publication,) = tenant.client.get(f"/api/v1/posts/{made['id']}").json()["publications"]
    assert publication["deleted_at"] == found_at.isoformat().replace("+00:00", "Z")
    assert "deleted on the platform" in publication["story"][-1]


def test_selected_posts_are_exported_as_a_plan_or_with_numbers(tenant: Tenant) -> None:
    browser = sign_in(tenant.server, make_key(tenant, "read", "analytics"))
    best, other = measure(tenant, "twitter-user", [30, 10])
    draft = tenant.create_post(content="=1+1 idea", platforms=[], status="draft", scheduled_at=None)["id"]
    planned = tenant.create_post(content="planned", platforms=["twitter", "mastodon"])["id"]

    def export(action: str, *ids: str) -> httpx.Response:
        token = form_token(browser, LIST)
        return browser.post(f"{LIST}/many", data={"form_token": token, "action": action, "post": list(ids)})

    def read(answer: httpx.Response) -> list[dict[str, str]]:
        assert (answer.status_code, answer.headers["content-type"][:8]) == (200, "text/csv")
        assert answer.headers["content-disposition"].startswith("attachment;")
        return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))

    rows = read(export("export", draft, planned))
    assert [(row["post_id"], row["platform"], row["status"]) for row in rows] == [
        (draft, "", "draft"),
        (planned, "twitter", "scheduled"),
        (planned, "mastodon", "scheduled"),
    ]
    assert (rows[0]["content"], rows[0]["date"]) == ("'=1+1 idea", "")
    (row,) = read(export("numbers", best, draft))
    assert (row["socialflow_post_id"], row["likes"]) == (best, "30")
    assert export("numbers", other, "post_none").status_code == 404
    assert export("export").status_code == 422
    browser.close()
    with sign_in(tenant.server, make_key(tenant, "read")) as reader:
        page = reader.get(LIST).text
        assert 'value="export"' in page
        assert not re.search('value="(numbers|cancel)"', page)
        sent = {"form_token": form_token(reader, LIST), "action": "numbers", "post": [best]}
        assert reader.post(f"{LIST}/many", data=sent).status_code == 403


def test_an_hour_of_the_week_fills_in_the_time_and_saves_nothing(
    tenant: Tenant, browser: httpx.Client
) -> None:
    """NOON is Monday 2 March 2026; the workspace is in UTC."""
    account = tenant.accounts["twitter-user"]
    advise(tenant, "twitter-user", {(1, 18): 0.4, (2, 9): -0.3})
    tenant.create_post(content="there already", account_ids=[account], scheduled_at="2026-03-04T09:30:00Z")
    tenant.create_slot(account, 1, "18:45")
    page = browser.get(f"{NEW}?account={account}").text
    hours = dict(re.findall(r'name="pick" value="([^"]+)"[^>]*?aria-label="([^"]+)"', page))
    assert len(hours) == 7 * 24 - (NOON.hour + 1), "hours that are over cannot be chosen"
    assert hours["2026-03-03T18:45"] == "Tue 3 Mar, 18:00, +40 % (30 to 50), free slot at 18:45"
    assert "1 post planned" in hours["2026-03-04T09:00"]
    assert re.search(r'value="2026-03-03T18:45"[^>]*class="u8 free"', page)
    assert "Orange above" in page
    none = browser.get(NEW).text
    assert "Orange above" not in none, "without an account nothing is advised"
    sent = fill_in(browser, tenant, pick="2026-03-03T18:45", when="now")
    answer = send(browser, sent)
    assert answer.status_code == 200
    assert re.search(r'name="at" type="datetime-local" value="2026-03-03T18:45"', answer.text)
    assert re.search(r'name="when" value="at" checked', answer.text)
    assert 'aria-pressed="true"' in answer.text
    assert [post["content"] for post in posts(tenant)] == ["there already"]
    later = browser.get(f"{NEW}?at=2026-05-04T09:00").text
    assert 'value="2026-05-04T09:00"' in later.partition('class="strip"')[2], "the week of the written time"


def test_best_times_draws_one_account_and_lists_the_others(tenant: Tenant, browser: httpx.Client) -> None:
    for account in ("twitter-user", "mastodon-user"):
        advise(tenant, account, {(1, 18): 0.14, (2, 9): 0.1})
    for account in ("", tenant.accounts["mastodon-user"]):
        page = browser.get(f"/dashboard/times?account={account}").text
        assert page.count('class="plot"') == 1
        assert ("Other accounts" in page) is not bool(account)


def test_the_slider_of_earlier_states_has_even_steps() -> None:
    commits = [NOON + timedelta(minutes=number) for number in range(1000)]
    steps = list_commits(commits, ZoneInfo("Europe/Berlin"))
    assert 150 < len(steps) <= 200
    assert steps == sorted(steps)
    last = (commits[-1] + timedelta(minutes=1)).astimezone(ZoneInfo("Europe/Berlin"))
    assert steps[-1] == f"{last:%Y-%m-%dT%H:%M}", "the newest is one of them"
    assert list_commits(commits[:2], ZoneInfo("UTC")) == ["2026-03-02T12:01", "2026-03-02T12:02"]

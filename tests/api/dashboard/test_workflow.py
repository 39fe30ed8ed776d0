"""Sign-in links, the calendar, composing and hostile text, as browsers with and without our scripts use them."""

from __future__ import annotations

import html
import re
from datetime import date, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import httpx
import pytest

from api.dashboard.calendar import list_hours
from api.dashboard.charts import DayValue, draw_days, draw_week, list_ticks
from api.dashboard.compose import fit_text
from connectors.types import ListedPost
from tests.api.dashboard.test_pages import SCOPES, form_token, login_token, make_key, sign_in
from tests.api.harness import NOON, PNG, in_hours, make_tenant, open_anonymous, open_client
from warehouse.store.access.sign_in_links import make_local_link
from warehouse.store.models import AccountRow, Publication
from warehouse.store.posts.external_posts import record_external_posts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.harness import Server, Tenant

NEW = "/dashboard/posts/new"
JSON = {"Accept": "application/json"}


@pytest.fixture
def browser(tenant: Tenant) -> Iterator[httpx.Client]:
    """A browser in which an administrator is signed in."""
    signed_in = sign_in(tenant.server, make_key(tenant, "admin"))
    yield signed_in
    signed_in.close()


def enter(browser: httpx.Client, link: str) -> httpx.Response:
    page = browser.get(link)
    token = re.search(r'name="token" value="([\w-]*)"', page.text)
    assert token, page.text
    return browser.post("/dashboard/login/link", data={"token": token[1], "form_token": login_token(browser)})


def test_a_link_signs_one_browser_in_once(tenant: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    store, clock = tenant.server.services.store, tenant.server.clock

    def make() -> str:
        with store.write() as session:
            return make_local_link(session, store.cipher, tenant.workspace_id, clock())

    link = make()
    with open_anonymous(tenant.server) as browser, caplog.at_level("INFO"):
        for _ in range(3):  # a program that previews the link does not use it up
            assert browser.get(link).status_code == 200
        answer = enter(browser, link)
        assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard")
        browser.cookies = answer.cookies
        assert browser.get("/dashboard/keys").status_code == 200
    logged = [record.getMessage() for record in caplog.records if not record.name.startswith("httpx")]
    assert logged
    assert link.partition("=")[2] not in " ".join(logged)
    late = make()
    with open_anonymous(tenant.server) as other:
        assert enter(other, link).status_code == 403, "used"
        clock.advance(minutes=16)
        assert enter(other, late).status_code == 403, "expired"
        assert enter(other, "/dashboard/login/link").status_code == 403, "no token"
        assert "socialflow_session" not in str(other.cookies)
        foreign = {"token": make().partition("=")[2], "form_token": "planted"}
        assert other.post("/dashboard/login/link", data=foreign).status_code == 403


def test_a_newcomers_steps_tick_themselves(server: Server) -> None:
    tenant = make_tenant(server)
    store = server.services.store
    with store.write() as session:
        link = make_local_link(session, store.cipher, tenant.workspace_id, server.clock())
    account = next(one for one in server.world.accounts if one.platform == "bluesky")
    with open_anonymous(server) as browser:
        browser.cookies = enter(browser, link).cookies
        first = browser.get("/dashboard").text
        assert first.count('<li class="ticked">') == 0
        token = {"form_token": form_token(browser)}
        zone = browser.post("/dashboard/settings", data=token | {"timezone": "Europe/Berlin", "first": "yes"})
        assert (zone.status_code, zone.headers["location"]) == (303, "/dashboard")
        connect = "/dashboard/accounts/connect/bluesky"
        wrong = browser.post(connect, data=token | {"handle": account.handle, "secret": "wrong"})
        assert wrong.status_code == 422
        assert "Bluesky: " in wrong.text
        right = browser.post(connect, data=token | {"handle": account.handle, "secret": account.app_password})
        assert right.status_code == 303, right.text
        assert account.handle in browser.get("/dashboard/accounts").text
        started = browser.post(
            "/dashboard/accounts/connect/mastodon", data=token | {"instance": "tea.example"}
        )
        assert "Continue at Mastodon" in started.text
        assert browser.get("/dashboard").text.count('<li class="ticked">') == 2
        (row,) = tenant.client.get("/api/v1/accounts").json()["data"]
        fields = {"account": [row["id"]], "content": "hello", "when": "at", "at": "2026-03-02T20:00"}
        made = browser.post(NEW, data=token | fields, files={"file": ("", b"")})
        assert made.status_code == 303, made.text
        assert "It will be published Mon 2 Mar, 20:00 Berlin" in browser.get(made.headers["location"]).text
        today = browser.get("/dashboard").text
        assert "First steps" not in today
        assert "hello" in today


def test_a_colleague_gets_the_scopes_and_the_end_that_were_chosen(
    tenant: Tenant, browser: httpx.Client
) -> None:
    fields = {"form_token": form_token(browser), "name": "Bo", "scope": ["read", "analytics"], "days": "10"}
    for wrong in ({"days": "0"}, {"days": "91"}, {"days": "x"}, {"scope": []}, {"name": " "}):
        assert browser.post("/dashboard/settings/links", data=fields | wrong).status_code == 422
    page = browser.post("/dashboard/settings/links", data=fields)
    link = re.search(r"(/dashboard/login/link\?token=[\w-]+)", html.unescape(page.text))
    assert link
    with open_anonymous(tenant.server) as colleague:
        colleague.cookies = enter(colleague, link[1]).cookies
        assert colleague.get("/dashboard/posts").status_code == 200
        assert colleague.get(NEW).status_code == 403
        tenant.server.clock.advance(days=9)
        assert colleague.get("/dashboard/posts").status_code == 200
        tenant.server.clock.advance(days=2)
        assert colleague.get("/dashboard/posts").status_code == 303


@pytest.mark.parametrize(
    ("day", "missing", "twice"),
    [(date(2026, 3, 29), [2], []), (date(2026, 10, 25), [], [2]), (date(2026, 3, 4), [], [])],
)
def test_the_hours_of_a_clock_change_are_drawn_as_what_they_are(
    day: date, missing: list[int], twice: list[int]
) -> None:
    hours = list_hours(day, ZoneInfo("Europe/Berlin"), None)
    assert [hour.hour for hour in hours] == list(range(24))
    assert [hour.hour for hour in hours if hour.missing] == missing
    assert [hour.hour for hour in hours if hour.twice] == twice


def test_the_calendar_shows_posts_slots_and_rules_in_the_chosen_zone(
    tenant: Tenant, browser: httpx.Client
) -> None:
    account = tenant.accounts["mastodon-user"]
    post = tenant.create_post(content="tea at nine", scheduled_at="2026-03-04T23:30:00Z")
    tenant.create_slot(account, 3, "15:00")
    tenant.create_recurrence(content="daily words", starts_at="2026-03-03T09:00:00")
    for view in ("month", "week", "day", "list"):
        page = browser.get(f"/dashboard/calendar?view={view}&date=2026-03-05&zone=Asia/Tokyo")
        assert page.status_code == 200
        assert post["id"] in page.text
        assert "08:30" in page.text, "in Tokyo it is the next morning"
    week = browser.get("/dashboard/calendar?view=week&date=2026-03-02").text
    assert "Free slot" in week
    assert "/dashboard/posts/new?at=2026-03-05T15:00" in week
    later = browser.get("/dashboard/calendar?view=month&date=2026-06-01").text
    assert "daily words" in later
    assert "not made yet" in later
    assert "Nothing is planned" in browser.get("/dashboard/calendar?view=list&date=2025-01-01").text
    for wrong in ("view=year", "date=tomorrow", "zone=Mars/Base", "account=acct_none", "date=9999-12-31"):
        assert browser.get(f"/dashboard/calendar?{wrong}").status_code == 422, wrong


def test_posts_from_history_are_on_the_calendar_where_they_were_published(
    tenant: Tenant, browser: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found posts have no planned time; they are shown at the one they had, cannot be moved, and are limited."""
    ids = [tenant.add_account(name) for name in ("mastodon", "twitter")]
    other = make_tenant(tenant.server)
    other.add_account("bluesky")
    times = [
        (ids[0], NOON - timedelta(days=1)),
        (ids[0], NOON - timedelta(days=2)),
        (ids[1], NOON - timedelta(days=2)),
    ]
    with tenant.server.services.store.write() as session:
        for number, (account_id, at) in enumerate(times):
            found = ListedPost(f"{number}", at, f"from history {number}", "text")
            record_external_posts(session, session.get_one(AccountRow, account_id), [found], NOON)
    address = f"/dashboard/calendar?date={NOON - timedelta(days=2):%Y-%m-%d}"
    for view in ("month", "week", "list"):
        page = browser.get(f"{address}&view={view}").text
        assert [page.count(f'class="first">from history {number}<') for number in range(3)] == [1, 1, 1], view
        chips = re.findall(r'<a class="(chip [^"]*)"', page)
        assert all("history" in one.split() and "movable" not in one.split() for one in chips)
    page = browser.get(f"{address}&view=week&account={ids[1]}").text
    assert [f"from history {number}<" in page for number in range(3)] == [False, False, True]
    with sign_in(tenant.server, make_key(other, "admin")) as stranger:
        assert "from history" not in stranger.get(f"{address}&view=month").text
    monkeypatch.setattr("api.dashboard.calendar._MOST_HISTORY", 1)
    page = browser.get(f"{address}&view=month").text
    assert [f"from history {number}<" in page for number in range(3)] == [True, False, False]
    assert "The 1 latest posts from history" in page
    page = browser.get("/dashboard/posts?tab=history").text
    assert page.index("from history 0<") < page.index("from history 1<")
    assert "no time" not in page, "it has the time at which it was published"


def test_the_advice_is_tested_by_a_form_and_the_page_says_it_once(
    tenant: Tenant, browser: httpx.Client
) -> None:
    page = browser.get("/dashboard/times").text
    assert page.count("Not tested yet") == 1
    assert "/dashboard/settings#experiment" in page
    assert not re.search(r"random_share|scheduled_at|&#34;optimal|API", page), "in the page's words"
    token = form_token(browser, "/dashboard/settings")
    for wrong in ("", "51", "-1", "twenty", "0.2"):
        answer = browser.post("/dashboard/settings", data={"form_token": token, "random_percent": wrong})
        assert (answer.status_code, "random_percent" in answer.text) == (422, True), wrong
    sent = {"form_token": token, "random_percent": "20", "weekly_exploration": "yes"}
    assert browser.post("/dashboard/settings", data=sent).status_code == 303
    shown = tenant.client.get("/api/v1/workspace").json()
    assert (shown["random_share"], shown["weekly_exploration"]) == (0.2, True)
    page = browser.get("/dashboard/times").text
    assert (page.count("20 of 100"), "Not tested yet" in page) == (1, False)
    browser.post("/dashboard/settings", data={"form_token": token, "name": "Tea"})
    assert tenant.client.get("/api/v1/workspace").json()["random_share"] == 0.2, "other forms leave it"


def test_a_recurring_post_is_made_by_a_form_that_keeps_what_was_typed(
    tenant: Tenant, browser: httpx.Client
) -> None:
    address = "/dashboard/settings/recurrences/new"
    account = tenant.accounts["mastodon-user"]
    sent = {
        "form_token": form_token(browser, address), "content": "tea <b>time</b>\r\nagain", "account": [account],
        "starts_at": "2026-03-09T09:30", "every": "week", "day": ["MO", "TH"], "last": "2026-04-30",
    }  # fmt: skip
    for wrong, said in (
        ({"every": "day"}, "every week"),
        ({"every": ""}, "how often"),
        ({"rrule": "FREQ=DAILY"}, "clear it"),
        ({"day": ["XX"]}, "BYDAY"),
        ({"last": "soon"}, "UNTIL"),
        ({"account": []}, "platform"),
        ({"content": "x" * 501}, "500"),
        ({"starts_at": ""}, "starts_at"),
    ):
        page = browser.post(address, data=sent | wrong)
        assert page.status_code == 422, wrong
        assert said in page.text, (wrong, page.text)
        if "content" not in wrong:
            assert "tea &lt;b&gt;time&lt;/b&gt;" in page.text, "what was typed stays"
    assert browser.post(address, data=sent | {"form_token": ""}).status_code == 403
    assert tenant.client.get("/api/v1/recurrences").json()["data"] == []
    answer = browser.post(address, data=sent)
    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard/settings#recurrences")
    (rule,) = tenant.client.get("/api/v1/recurrences").json()["data"]
    assert rule["rrule"] == "FREQ=WEEKLY;BYDAY=MO,TH;UNTIL=20260430T235959"
    assert rule["content"] == "tea <b>time</b>\nagain"
    assert browser.post(address, data=sent).status_code == 409, "a second click makes no second rule"
    assert "tea &lt;b&gt;time&lt;/b&gt;" in browser.get("/dashboard/settings").text
    _a_rule_is_changed_and_stopped_by_forms(tenant, browser, rule["id"])


def _a_rule_is_changed_and_stopped_by_forms(tenant: Tenant, browser: httpx.Client, rule_id: str) -> None:
    address, api = f"/dashboard/settings/recurrences/{rule_id}", f"/api/v1/recurrences/{rule_id}"
    sent = read_form(browser.get(f"{address}/edit").text, f"{address}/edit")
    assert sent["content"] == ["tea <b>time</b>\nagain"]
    assert (sent["every"], sent["day"], sent["last"]) == (["week"], ["MO", "TH"], ["2026-04-30"])
    assert (sent["starts_at"], sent["account"]) == (["2026-03-09T09:30"], [tenant.accounts["mastodon-user"]])
    page = browser.post(f"{address}/edit", data=sent | {"content": "", "day": ["MO"]})
    assert (page.status_code, read_form(page.text, f"{address}/edit")["day"]) == (422, ["MO"])
    changed = sent | {"content": "new words", "day": ["FR"], "starts_at": "2026-03-06T10:15"}
    assert browser.post(f"{address}/edit", data=changed).status_code == 303
    rule = tenant.client.get(api).json()
    assert rule["content"] == "new words"
    assert rule["rrule"] == "FREQ=WEEKLY;BYDAY=FR;UNTIL=20260430T235959"
    assert rule["starts_at"] == "2026-03-06T10:15:00"
    posts = tenant.client.get(f"/api/v1/posts?recurrence_id={rule_id}&status=scheduled").json()["data"]
    assert {post["content"] for post in posts} == {"new words"}
    page = browser.post(f"{address}/edit", data=changed | {"content": "from an old form"})
    assert (page.status_code, "from an old form" in page.text) == (412, True), (
        "somebody else changed it meanwhile"
    )
    # A rule that the choices cannot express is shown, and kept, as it is written.
    own = "FREQ=MONTHLY;BYDAY=-1FR"
    tenant.client.patch(api, json={"rrule": own})
    sent = read_form(browser.get(f"{address}/edit").text, f"{address}/edit")
    assert (sent["rrule"], sent["last"], "every" in sent, "day" in sent) == ([own], [""], False, False)
    assert browser.post(f"{address}/edit", data=sent).status_code == 303
    assert tenant.client.get(api).json()["rrule"] == own
    token = {"form_token": sent["form_token"], "keep": "yes"}
    assert browser.post(f"{address}/delete", data=token).status_code == 303
    assert tenant.client.get(api).status_code == 404
    assert tenant.client.get(f"/api/v1/posts/{posts[0]['id']}").json()["status"] in {"scheduled", "canceled"}
    assert browser.get(f"{address}/edit").status_code == 404


def read_form(page: str, action: str) -> dict[str, list[str]]:
    """Return what a browser would send of the form with this address: the values as they are shown."""
    form = page.partition(f'action="{action}"')[2].partition("</form>")[0]
    fields: dict[str, list[str]] = {}
    for tag in re.findall(r"<input [^>]*>", form):
        said = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if said.get("type") not in {"checkbox", "radio"} or " checked" in tag:
            fields.setdefault(said["name"], []).append(html.unescape(said.get("value", "")))
    for name, text in re.findall(r'<textarea [^>]*name="(\w+)"[^>]*>\n(.*?)</textarea>', form, re.DOTALL):
        fields.setdefault(name, []).append(html.unescape(text))
    return fields


def test_a_webhook_is_made_by_a_form_and_its_secret_shown_once(tenant: Tenant, browser: httpx.Client) -> None:
    address = "/dashboard/settings/webhooks/new"
    page = browser.get(address).text
    once = re.search(r'name="form" value="([\w-]+)"', page)
    assert once
    sent = {
        "form_token": form_token(browser, address), "form": once[1], "url": "https://hooks.example/in",
        "event": ["post.failed"], "description": "to <chat>",
    }  # fmt: skip
    for wrong in (
        {"url": "javascript:alert(1)"},
        {"event": []},
        {"event": ["no"]},
    ):
        refused = browser.post(address, data=sent | wrong)
        assert (refused.status_code, "to &lt;chat&gt;" in refused.text) == (422, True), wrong
    made = browser.post(address, data=sent)
    assert (made.status_code, made.text.count("whsec_")) == (200, 1)
    again = browser.post(address, data=sent)
    assert (again.status_code, "whsec_" in again.text) == (200, False)
    with sign_in(tenant.server, make_key(tenant, "write")) as writer:
        assert writer.get(address).status_code == 403
    page = browser.get("/dashboard/settings").text
    assert page.count("https://hooks.example/in") == 1
    found = re.search(r'/dashboard/settings/webhooks/(wh_\w+)"', page)
    assert found
    address, api = f"/dashboard/settings/webhooks/{found[1]}", f"/api/v1/webhooks/{found[1]}"
    assert "Nothing was sent yet" in browser.get(address).text
    admin = open_client(tenant.server, make_key(tenant, "admin"))
    sent = read_form(browser.get(f"{address}/edit").text, f"{address}/edit")
    assert (sent["url"], sent["event"]) == (["https://hooks.example/in"], ["post.failed"])
    refused = browser.post(
        f"{address}/edit", data=sent | {"url": "javascript:alert(1)", "description": "<new>"}
    )
    assert (refused.status_code, "&lt;new&gt;" in refused.text) == (422, True)
    changed = sent | {"event": ["post.failed", "post.published"], "description": "both"}
    assert browser.post(f"{address}/edit", data=changed).status_code == 303
    shown = admin.get(api).json()
    assert (shown["description"], shown["url"]) == ("both", "https://hooks.example/in")
    assert {*shown["events"]} == {"post.failed", "post.published"}
    assert browser.post(f"{address}/edit", data=changed).status_code == 412, (
        "changed since the form was opened"
    )
    token = {"form_token": sent["form_token"]}
    for act, status in (("pause", "disabled"), ("resume", "enabled")):
        assert browser.post(f"{address}/{act}", data=token).status_code == 303
        assert admin.get(api).json()["status"] == status
    rotated = browser.post(f"{address}/rotate", data=token)
    assert (rotated.status_code, rotated.text.count("whsec_")) == (200, 1)
    assert browser.post(f"{address}/delete", data=token).status_code == 422, "the box must be ticked"
    assert browser.post(f"{address}/delete", data=token | {"sure": "yes"}).status_code == 303
    assert admin.get(api).status_code == 404
    admin.close()


def test_a_script_moves_a_post_and_is_told_the_effect_or_the_reason(
    tenant: Tenant, browser: httpx.Client
) -> None:
    post = tenant.create_post()
    tenant.create_post(content="another", scheduled_at="2026-03-04T19:10:00Z")
    address = f"/dashboard/posts/{post['id']}/move"
    fields = {"form_token": form_token(browser), "at": "2026-03-04T20:00", "zone": "Europe/Berlin"}
    told = browser.post(address, data=fields, headers=JSON).json()
    assert told["at"] == "2026-03-04T19:00:00+00:00"
    assert told["words"] == (
        "Moved to Wed 4 Mar, 20:00. 1 other post(s) within 30 minutes: the earlier one earns less."
    )
    back = browser.post(address, data=fields | {"at": told["undo"]}, headers=JSON).json()
    assert back["at"] == "2026-03-02T13:00:00+00:00"
    past = browser.post(address, data=fields | {"at": "2026-03-01T20:00"}, headers=JSON)
    assert (past.status_code, "is in the past" in past.json()["detail"]) == (422, True)
    assert tenant.client.get(f"/api/v1/posts/{post['id']}").json()["scheduled_at"] == "2026-03-02T13:00:00Z"
    assert 'name="at"' in browser.get(address).text, "the form for keyboards"
    with open_anonymous(tenant.server) as stranger:
        assert stranger.post(address, data=fields, headers=JSON).status_code == 401


def fields_of(browser: httpx.Client, tenant: Tenant, **more: object) -> dict[str, object]:
    token = form_token(browser, NEW)
    return {"form_token": token, "account": [tenant.accounts["twitter-user"]], "content": "hello", **more}


def test_the_form_is_counted_and_previewed_by_the_servers_rules(
    tenant: Tenant, browser: httpx.Client
) -> None:
    long = "a" * 279 + "\N{GRINNING FACE}" + "<b>"
    both = list(tenant.accounts.values())
    fields = fields_of(browser, tenant, content=long, account=both, when="at", at="2026-03-06T18:00")
    told = browser.post("/dashboard/posts/check", data=fields, headers=JSON).json()
    assert "284/280" in told["counts"]
    assert "284/500" in told["counts"] or "283/500" in told["counts"]
    assert '<span class="cut">\N{GRINNING FACE}&lt;b&gt;</span>' in told["previews"]
    assert told["label"] == "Schedule for Fri 6 Mar, 18:00 UTC"
    assert "no queue slots yet" in told["queue"]
    tenant.create_post(content="near", scheduled_at="2026-03-06T18:10:00Z")
    near = browser.post("/dashboard/posts/check", data=fields, headers=JSON).json()
    assert "is published at 18:10" in near["warning"]
    own = fields | {"text.mastodon": "only there", "opt.mastodon.visibility": "unlisted"}
    assert "only there" in browser.post("/dashboard/posts/check", data=own, headers=JSON).json()["previews"]
    wrong = browser.post(
        "/dashboard/posts/check", data=fields | {"opt.mastodon.visibility": "secret"}, headers=JSON
    )
    assert "visibility" in wrong.json()["problem"]
    assert fit_text("abcdef", 4, len) == 4
    # Without scripts the same is on the page.
    page = browser.post(NEW, data=fields | {"check": "yes"}, files={"file": ("", b"")})
    assert "284/280" in page.text


def test_the_same_content_on_the_same_day_is_said_before_the_button(
    tenant: Tenant, browser: httpx.Client
) -> None:
    account = tenant.accounts["mastodon-user"]
    tenant.create_post(content="tea time", account_ids=[account], platforms=[], scheduled_at=in_hours(5))
    sent = {"form_token": form_token(browser), "account": [account], "when": "at"}
    for content, at, warned in (
        ("tea time", in_hours(9), True),
        ("tea time", in_hours(60), False),
        ("coffee", in_hours(9), False),
    ):
        told = browser.post("/dashboard/posts/check", data=sent | {"content": content, "at": at[:16]}).json()
        assert ("the same content" in told["warning"]) is warned, (content, at, told["warning"])


def test_a_draft_saves_itself_and_a_conflict_shows_both_versions(
    tenant: Tenant, browser: httpx.Client
) -> None:
    fields = fields_of(browser, tenant)
    first = browser.post("/dashboard/posts/autosave", data=fields, headers=JSON).json()
    second = browser.post(
        "/dashboard/posts/autosave",
        data=fields | {"draft_id": first["id"], "version": first["version"], "content": "hello again"},
        headers=JSON,
    ).json()
    assert second["id"] == first["id"]
    (post,) = tenant.client.get("/api/v1/posts").json()["data"]
    assert (post["status"], post["content"]) == ("draft", "hello again")
    stale = fields | {"draft_id": first["id"], "version": first["version"], "content": "mine"}
    answer = browser.post("/dashboard/posts/autosave", data=stale, headers=JSON)
    assert (answer.status_code, answer.json()["theirs"]) == (412, "hello again")
    page = browser.post(NEW, data=stale | {"when": "draft"}, files={"file": ("", b"")})
    assert page.status_code == 412
    assert "hello again" in page.text
    assert "mine" in page.text
    version = re.search(r'name="version" value="(\d+)"', page.text)
    assert version
    kept = stale | {"version": version[1], "when": "at", "at": "2026-03-05T10:00"}
    assert browser.post(NEW, data=kept, files={"file": ("", b"")}).status_code == 303
    (post,) = tenant.client.get("/api/v1/posts").json()["data"]
    assert (post["status"], post["content"]) == ("scheduled", "mine")


def test_publishing_now_asks_once_and_nothing_is_preselected(tenant: Tenant, browser: httpx.Client) -> None:
    page = browser.get(NEW).text
    assert 'name="when"' in page
    assert not re.search(r'name="when"[^>]*checked', page)
    fields = fields_of(browser, tenant, when="now")
    asked = browser.post(NEW, data=fields, files={"file": ("", b"")})
    assert (asked.status_code, "Publish now?" in asked.text) == (200, True)
    assert tenant.client.get("/api/v1/posts").json()["data"] == []
    assert browser.post(NEW, data=fields | {"sure": "yes"}, files={"file": ("", b"")}).status_code == 303
    cell = browser.get(f"{NEW}?at=2026-03-06T09:00&zone=Asia/Tokyo").text
    assert 'value="2026-03-06T00:00"' in cell, "the form is in the workspace's zone"


def test_a_post_is_edited_and_duplicated_with_everything_it_has(
    tenant: Tenant, browser: httpx.Client
) -> None:
    picture = tenant.upload(PNG)
    post = tenant.create_post(
        content="first", thread=["second"], media=[{"url": picture["url"], "alt_text": "a cup"}],
        variants={"twitter": {"content": "on X"}}, options={"twitter": {"reply_settings": "following"}},
    )  # fmt: skip
    page = browser.get(f"/dashboard/posts/{post['id']}/edit").text
    for value in (
        "first",
        "second",
        "a cup",
        "on X",
        'value="following" selected',
        f'value="{post["version"]}"',
    ):
        assert value in page, value
    assert browser.get(f"/dashboard/media/{picture['id']}").content == PNG
    fields = fields_of(
        browser, tenant, content="changed", when="keep", version=post["version"], post_id=post["id"],
        media=[picture["url"]], alt=["a blue cup"],
    )  # fmt: skip
    address = f"/dashboard/posts/{post['id']}/edit"
    assert browser.post(address, data=fields, files={"file": ("", b"")}).status_code == 303
    changed = tenant.client.get(f"/api/v1/posts/{post['id']}").json()
    assert (changed["content"], changed["scheduled_at"]) == ("changed", post["scheduled_at"])
    assert changed["media"][0]["alt_text"] == "a blue cup"
    copy = browser.get(f"{NEW}?from={post['id']}").text
    assert "changed" in copy
    assert 'name="draft_id" value=""' in copy
    added = browser.post(
        "/dashboard/media",
        data={"form_token": form_token(browser, NEW)},
        files={"file": ("two.png", PNG + b"2")},
    )
    assert (added.status_code, added.json()["kind"]) == (201, "image")


def test_what_needs_a_person_is_on_every_page_with_its_button(tenant: Tenant, browser: httpx.Client) -> None:
    made = tenant.create_post(content="broken one")
    with tenant.server.services.store.write() as session:
        row = session.get_one(Publication, made["publications"][0]["id"])
        row.status, row.reason = "failed", "the link was refused"
        session.get_one(AccountRow, tenant.accounts["mastodon-user"]).status = "revoked"
    token = {"form_token": form_token(browser)}
    assert browser.post("/dashboard/settings/pause", data=token).status_code == 303
    for page in ("", "/calendar", "/posts", "/numbers", "/times", "/settings"):
        text = html.unescape(browser.get(f"/dashboard{page}").text)
        assert "broken one" in text, page
        assert f"/dashboard/posts/{made['id']}/retry" in text
        assert "must be connected again" in text
        assert "All publishing is paused" in text
    assert browser.post("/dashboard/settings/resume", data=token).status_code == 303
    assert browser.post(f"/dashboard/posts/{made['id']}/retry", data=token).status_code == 303
    assert "broken one" not in browser.get("/dashboard/numbers").text


def test_a_page_that_does_not_exist_keeps_the_navigation(browser: httpx.Client) -> None:
    answer = browser.get("/dashboard/nothing/here")
    assert (answer.status_code, 'aria-label="Pages"' in answer.text) == (404, True)


def test_many_posts_are_changed_at_once_and_one_refusal_stops_none(
    tenant: Tenant, browser: httpx.Client
) -> None:
    ids = [tenant.create_post(content=f"number {n}")["id"] for n in range(3)]
    fields = {
        "form_token": form_token(browser),
        "post": [*ids, "post_none"],
        "action": "move",
        "at": "2026-03-09T10:00",
    }
    page = browser.post("/dashboard/posts/many", data=fields)
    assert "3 moved" in page.text
    assert "there is no post post_none" in page.text
    states = {post["scheduled_at"] for post in tenant.client.get("/api/v1/posts").json()["data"]}
    assert states == {"2026-03-09T10:00:00Z"}
    assert browser.post("/dashboard/posts/many", data=fields | {"action": "explode"}).status_code == 422


HOSTILE = (
    '"><script>alert(1)</script>', "\N{RIGHT-TO-LEFT OVERRIDE}txt.exe", "\N{GRINNING FACE}" * 1500,
    "{{ 7*7 }}", "</textarea><img src=x onerror=alert(1)>",
)  # fmt: skip


def test_hostile_text_is_text_on_every_page(tenant: Tenant, browser: httpx.Client) -> None:
    with tenant.server.services.store.write() as session:
        row = session.get_one(AccountRow, tenant.accounts["twitter-user"])
        row.handle = row.display_name = HOSTILE[0]
    posts = []
    for number, text in enumerate(HOSTILE):
        posts.append(
            tenant.create_post(
                content=text[:280], platforms=[], status="draft", scheduled_at=f"2026-03-0{number + 3}T09:00:00Z",
                media=[{"url": "https://cdn.example/a.png", "alt_text": text[:200]}], account_ids=[],
            )
        )  # fmt: skip
    live = tenant.create_post(content=HOSTILE[4], platforms=["mastodon"])
    with tenant.server.services.store.write() as session:
        published = session.get_one(Publication, live["publications"][0]["id"])
        published.status, published.published_at = "published", NOON
        published.permalink = "javascript:alert(1)"
    pages = [*SCOPES, *(f"/posts/{post['id']}" for post in [*posts, live]), f"/posts/{posts[0]['id']}/edit"]
    pages += [
        f"/posts?q={httpx.QueryParams({'q': HOSTILE[0]})['q']}",
        f"/accounts/{tenant.accounts['twitter-user']}",
    ]
    for page in pages:
        answer = browser.get(f"/dashboard{page}")
        assert answer.status_code in {200, 403}, page
        text = answer.text
        assert "<script>" not in text, page
        assert "<img src=x" not in text, page
        assert 'href="javascript:' not in text, page
        assert "49" not in re.findall(r"<textarea[^>]*>\s*(49)", text), page


def test_charts_have_round_ticks_gaps_and_a_value_per_day() -> None:
    assert list_ticks(0, 271, whole=True) == [0, 100, 200, 300]
    assert list_ticks(0, 3, whole=True) == [0, 1, 2, 3]
    assert list_ticks(-40, 130)[0] <= -40
    first = date(2026, 3, 2)
    series = [
        DayValue(first + timedelta(days=n), None if n in {2, 3} else float(n), young=n > 5) for n in range(7)
    ]
    drawn = str(draw_days(series, "Engagement", previous=[1.0] * 7))
    assert drawn.count('class="gap"') == 2, "one stretch, wide and slim"
    assert drawn.count("data-read=") == 14
    assert "Wed 4 Mar: not measured; the period before: 1" in drawn
    assert "still earning" in drawn
    rows = [
        {"weekday": n // 24, "hour": n % 24, "expected_lift": lift, "lift_low": lift - 0.1,
         "lift_high": lift + 0.1, "n_posts": n % 5}
        for n, lift in enumerate([(n - 84) / 168 for n in range(168)])
    ]  # fmt: skip
    week = str(draw_week(rows, "Week", lambda day, hour: f"/x?{day}-{hour}"))
    opacities = {float(one) for one in re.findall(r'fill-opacity="([\d.]+)"', week)}
    assert len(opacities) > 40, "the scale is continuous"
    assert week.count("<a ") == 2 * 168


def test_scripts_and_styles_keep_their_budget_and_are_compressed(server: Server) -> None:
    from api.dashboard.rendering import _ASSETS, asset  # noqa: PLC0415 (the files themselves)

    assert sum(len(content) for name, content in _ASSETS.items() if name.endswith(".js")) < 60_000
    assert len(_ASSETS["style.css"]) < 40_000
    with open_anonymous(server) as browser:
        for name in _ASSETS:
            answer = browser.get(asset(name))
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
            assert (answer.headers.get("content-encoding") == "gzip") == (len(_ASSETS[name]) >= 1000)
        assert browser.get("/dashboard/static/none.js").status_code == 404
        assert (
            browser.get("/dashboard/login", headers={"Accept-Encoding": "identity"}).headers.get(
                "content-encoding"
            )
            is None
        )


def test_a_page_names_the_post_of_another_workspace_to_nobody(tenant: Tenant, browser: httpx.Client) -> None:
    other = make_tenant(tenant.server)
    other.add_account("twitter", "stranger")
    theirs = other.create_post(content="their words")
    for page in (
        f"/posts/{theirs['id']}",
        f"/posts/{theirs['id']}/edit",
        f"/posts/{theirs['id']}/move",
        f"/posts/new?from={theirs['id']}",
    ):
        answer = browser.get(f"/dashboard{page}")
        assert answer.status_code == 404, page
        assert "their words" not in answer.text
        assert 'aria-label="Pages"' in answer.text

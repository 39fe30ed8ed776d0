"""The dashboard as a browser without scripts uses it."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

import api.dashboard
from api.settings import ApiSettings
from tests.api.analytics.test_overview import measure
from tests.api.harness import RunningServer, SettableClock, make_tenant, open_anonymous
from tests.api.operations import hidden_paths
from tests.api.optimal_times.test_advice import advise
from warehouse.store.access.api_keys import create_api_key, list_api_keys, revoke_api_key
from warehouse.store.models import Post

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.harness import Server, Tenant
    from warehouse.store.access.api_keys import CreatedApiKey

SCOPES = {
    "": ("read", "analytics"),
    "/calendar": ("read",),
    "/calendar?view=month": ("read",),
    "/calendar?view=list": ("read",),
    "/posts": ("read",),
    "/posts/new": ("write",),
    "/posts/bulk": ("write",),
    "/imports": ("read",),
    "/numbers": ("analytics",),
    "/times": ("read",),
    "/sql": ("admin",),
    "/accounts": ("read", "accounts"),
    "/settings": ("read", "write", "approve", "analytics", "accounts"),
    "/settings/audit": ("admin",),
    "/settings/recurrences/new": ("write",),
    "/settings/webhooks/new": ("admin",),
    "/keys": ("admin",),
}
"""What each page needs: one of these scopes."""


def make_key(tenant: Tenant, *scopes: str) -> CreatedApiKey:
    store = tenant.server.services.store
    with store.write() as session:
        return create_api_key(session, store.cipher, tenant.workspace_id, "me", scopes, tenant.server.clock())


def sign_in(server: Server, key: CreatedApiKey) -> httpx.Client:
    with open_anonymous(server) as anonymous:
        fields = {"api_key": key.api_key, "api_secret": key.api_secret, "form_token": login_token(anonymous)}
        answer = anonymous.post("/dashboard/login", data=fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard"), answer.text
    browser = open_anonymous(server)
    browser.cookies = answer.cookies
    return browser


def login_token(browser: httpx.Client) -> str:
    return form_token(browser, "/dashboard/login")


def form_token(browser: httpx.Client, page: str = "/dashboard/keys") -> str:
    found = re.search(r'name="form_token" value="(\w+)"', browser.get(page).text)
    assert found
    return found[1]


@pytest.fixture
def browser(tenant: Tenant) -> Iterator[httpx.Client]:
    """A browser in which an administrator is signed in."""
    signed_in = sign_in(tenant.server, make_key(tenant, "admin"))
    yield signed_in
    signed_in.close()


def test_every_page_has_its_place_here() -> None:
    pages = {path.removeprefix("/dashboard") for path in hidden_paths() if path.startswith("/dashboard")}
    post = ("approve", "cancel", "edit", "mark-paid", "move", "reject", "retry", "unpublish")
    forms = {"/posts/{post_id}", *(f"/posts/{{post_id}}/{action}" for action in post)}
    forms |= {
        "/posts/{post_id}/publications/{publication_id}/resolve",
        *("/posts/many", "/posts/check", "/posts/autosave", "/media", "/media/{media_id}"),
        *("/numbers/accounts/{account_id}", "/times/{account_id}/hour"),
        *("/accounts/{account_id}", "/accounts/connect/{platform}", "/accounts/{account_id}/slots"),
        *(f"/accounts/{{account_id}}/{action}" for action in ("timezone", "disconnect", "{act}")),
        "/accounts/{account_id}/slots/{slot_id}/remove",
        *("/settings/pause", "/settings/resume", "/settings/links"),
        *(f"/settings/recurrences/{{recurrence_id}}/{action}" for action in ("edit", "delete")),
        "/settings/webhooks/{webhook_id}",
        *(
            f"/settings/webhooks/{{webhook_id}}/{act}"
            for act in ("edit", "delete", "rotate", "test", "{act}")
        ),
        "/settings/webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
        *("/imports/{import_id}", "/imports/{import_id}/{step}", "/import-maps/remove"),
        *("/keys/{key_id}/revoke", "/sessions/{session_id}/end"),
    }
    shown = {page.partition("?")[0] for page in SCOPES}
    frame = {"/login", "/login/link", "/logout", "/sessions", "/style.css", "/static/{name}", "/{path:path}"}
    assert pages == {*shown, *forms, *frame}


@pytest.mark.parametrize("page", SCOPES)
def test_who_is_signed_out_is_led_to_the_login(server: Server, page: str) -> None:
    with open_anonymous(server) as browser:
        for cookie in (None, "nonsense"):
            if cookie:
                browser.cookies.set("socialflow_session", cookie, path="/dashboard")
            answer = browser.get(f"/dashboard{page}")
            assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard/login")
        assert browser.post("/dashboard/keys", data={"name": "x"}).status_code == 303
        assert browser.post("/dashboard/keys/key_none/revoke").status_code == 303


def test_every_page_shows_only_the_own_workspace_and_loads_nothing(
    tenant: Tenant, browser: httpx.Client
) -> None:
    tenant.create_post(content="our <b>own</b> words", platforms=["twitter", "mastodon"])
    advise(tenant, "twitter-user", {(1, 18): 0.14, (2, 9): 0.1})
    other = make_tenant(tenant.server)
    other.add_account("twitter", "stranger")
    other.create_post(content="their words")
    shown = {page: browser.get(f"/dashboard{page}") for page in SCOPES}
    refused = shown.pop("/sql")
    assert (refused.status_code, "every workspace" in refused.text) == (403, True), "there are several here"
    for page, answer in shown.items():
        assert answer.status_code == 200, page
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert "their words" not in answer.text
        assert "stranger" not in answer.text
        assert answer.text.count("<h1") == 1, page
        assert "unsafe" not in policy
        assert len(answer.content) < 200_000, page
        # Every script and style is a file of ours; none is written into the page.
        assert not re.search(
            r"<script(?! type=.module. src=./dashboard/static/)|style=|\son[a-z]+=.|https?://|(src|href)=.//",
            answer.text,
        ), page
    assert "our &lt;b&gt;own&lt;/b&gt; words" in shown["/posts"].text
    assert "our &lt;b&gt;own&lt;/b&gt; words" in shown["/calendar"].text
    assert "Tue 18:00: +14 % (4 to 24), 9 posts there" in shown["/times"].text
    assert "Not measured yet" in shown["/numbers"].text
    assert "@mastodon-user" in shown["/accounts"].text


def test_each_page_needs_its_scope(tenant: Tenant) -> None:
    for scope in ("read", "write", "analytics", "accounts"):
        with sign_in(tenant.server, make_key(tenant, scope)) as browser:
            for page, enough in SCOPES.items():
                answer = browser.get(f"/dashboard{page}")
                assert answer.status_code == (200 if scope in enough else 403), (page, scope)
                if answer.status_code == 403:
                    assert f"scope {' or '.join(enough)}" in html.unescape(answer.text)
                    assert 'aria-label="Pages"' in answer.text, "an error keeps the navigation"


def test_the_cookie_is_for_this_alone(tenant: Tenant, browser: httpx.Client) -> None:
    key = make_key(tenant, "admin")
    body = {"api_key": key.api_key, "api_secret": key.api_secret}
    with open_anonymous(tenant.server) as fresh:
        form = body | {"form_token": login_token(fresh)}
        cookie = fresh.post("/dashboard/login", data=form).headers.get_list("set-cookie")[0]
        token = fresh.post("/api/v1/auth/token", json=body).json()["access_token"]
        for part in ("HttpOnly", "SameSite=strict", "Path=/dashboard"):
            assert part in cookie
        # Neither opens what the other is for.
        session = cookie.partition("=")[2].partition(";")[0]
        assert fresh.get("/api/v1/posts", headers={"Authorization": f"Bearer {session}"}).status_code == 401
        fresh.cookies.clear()
        fresh.cookies.set("socialflow_session", token, path="/dashboard")
        assert fresh.get("/dashboard").status_code == 303
    assert browser.get("/api/v1/posts").status_code == 401


def test_a_key_is_made_shown_once_and_revoked(tenant: Tenant, browser: httpx.Client) -> None:
    fields = {
        "form_token": form_token(browser),
        "name": "reports",
        "scope": ["read", "analytics"],
        "days": "30",
    }
    made = browser.post("/dashboard/keys", data=fields)
    secret = re.search(r"<code>(sfs_\w+)</code>", made.text)
    assert secret
    page = browser.get("/dashboard/keys").text
    assert "reports" in page
    assert secret[1] not in page
    with tenant.server.services.store.read() as session:
        (row,) = [key for key in list_api_keys(session, tenant.workspace_id) if key.name == "reports"]
    assert row.scopes == ["read", "analytics"]
    done = browser.post(f"/dashboard/keys/{row.id}/revoke", data={"form_token": form_token(browser)})
    assert (done.status_code, done.headers["location"]) == (303, "/dashboard/keys")
    with tenant.server.services.store.read() as session:
        kept = {key.id: key.revoked_at for key in list_api_keys(session, tenant.workspace_id)}
    assert kept[row.id] is not None


def test_a_form_of_another_page_does_nothing(tenant: Tenant, browser: httpx.Client) -> None:
    foreign = sign_in(tenant.server, make_key(make_tenant(tenant.server), "admin"))
    for token in ("", "0" * 64, form_token(foreign)):
        fields = {"form_token": token, "name": "planted", "scope": "read"}
        assert browser.post("/dashboard/keys", data=fields).status_code == 403
        revoke = f"/dashboard/keys/{tenant.key.row.id}/revoke"
        assert browser.post(revoke, data={"form_token": token}).status_code == 403
        assert browser.post("/dashboard/logout", data={"form_token": token}).status_code == 403
    # With the right token of another workspace, the key does not exist.
    answer = foreign.post(
        f"/dashboard/keys/{tenant.key.row.id}/revoke", data={"form_token": form_token(foreign)}
    )
    assert answer.status_code == 404
    foreign.close()
    with tenant.server.services.store.read() as session:
        keys = list_api_keys(session, tenant.workspace_id)
    assert "planted" not in {key.name for key in keys}
    assert {key.revoked_at for key in keys} == {None}


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"scope": []},
        {"scope": "everything"},
        {"days": "-1"},
        {"days": "x"},
        {"days": "9" * 5000},
        {"days": "0" * 5000},
        {"days": "\u0663"},
    ],
)
def test_a_wrong_field_makes_no_key(browser: httpx.Client, fields: dict[str, object]) -> None:
    before = browser.get("/dashboard/keys").text.count("<tr>")
    wanted = {"form_token": form_token(browser), "name": "n", "scope": "read", **fields}
    answer = browser.post("/dashboard/keys", data=wanted)
    assert answer.status_code in (403, 422)
    assert 'role="alert"' in answer.text
    assert browser.get("/dashboard/keys").text.count("<tr>") == before


def test_a_session_ends(tenant: Tenant, browser: httpx.Client) -> None:
    tenant.server.clock.advance(hours=7)
    assert browser.get("/dashboard/keys").status_code == 200
    with sign_in(tenant.server, make_key(tenant, "admin")) as second:
        second.post("/dashboard/logout", data={"form_token": form_token(second)})
        assert second.get("/dashboard/keys").status_code == 303
    tenant.server.clock.advance(hours=1)
    assert browser.get("/dashboard/keys").status_code == 303
    key = make_key(tenant, "admin")
    with sign_in(tenant.server, key) as third:
        with tenant.server.services.store.write() as session:
            revoke_api_key(session, tenant.workspace_id, key.row.id, tenant.server.clock())
        assert third.get("/dashboard/keys").status_code == 303


def test_guessing_is_slowed_down_here_too(tmp_path: Path) -> None:
    with (
        RunningServer(tmp_path / "home", SettableClock(), ApiSettings(auth_failures=2)) as server,
        open_anonymous(server) as browser,
    ):
        wrong = {"api_key": "sf_guess", "api_secret": "guess", "form_token": login_token(browser)}
        answers = [browser.post("/dashboard/login", data=wrong) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert "socialflow_session" not in answers[0].headers["set-cookie"]


def test_signing_out_ends_the_session_for_every_copy_of_its_cookie(
    tenant: Tenant, browser: httpx.Client
) -> None:
    with open_anonymous(tenant.server) as thief:
        thief.cookies = httpx.Cookies(browser.cookies)
        assert thief.get("/dashboard/keys").status_code == 200
        browser.post("/dashboard/logout", data={"form_token": form_token(browser)})
        assert thief.get("/dashboard/keys").status_code == 303


def test_sessions_are_listed_and_ended(tenant: Tenant, browser: httpx.Client) -> None:
    with sign_in(tenant.server, make_key(tenant, "read")) as other:
        own = other.get("/dashboard/sessions").text
        assert own.count("<tr>") == 2
        assert "(this session)" in own
        (session,) = re.findall(r"/dashboard/sessions/(ses_\w+)/end", own)
        theirs = set(
            re.findall(r"/dashboard/sessions/(ses_\w+)/end", browser.get("/dashboard/sessions").text)
        )
        assert session in theirs
        (admins,) = theirs - {session}
        # Who is no administrator ends no session of another key, and nobody one of another workspace.
        forbidden = other.post(
            f"/dashboard/sessions/{admins}/end", data={"form_token": form_token(other, "/dashboard/sessions")}
        )
        assert forbidden.status_code == 404
        with sign_in(tenant.server, make_key(make_tenant(tenant.server), "admin")) as stranger:
            assert session not in stranger.get("/dashboard/sessions").text
            answer = stranger.post(
                f"/dashboard/sessions/{session}/end", data={"form_token": form_token(stranger)}
            )
            assert answer.status_code == 404
        assert other.get("/dashboard/sessions").status_code == 200
        done = browser.post(f"/dashboard/sessions/{session}/end", data={"form_token": form_token(browser)})
        assert done.status_code == 303
        assert other.get("/dashboard/sessions").status_code == 303
        assert session not in browser.get("/dashboard/sessions").text


def test_nobody_is_signed_in_by_a_page_from_elsewhere(tenant: Tenant) -> None:
    key = make_key(tenant, "admin")
    fields = {"api_key": key.api_key, "api_secret": key.api_secret}
    with open_anonymous(tenant.server) as attacker, open_anonymous(tenant.server) as victim:
        planted = login_token(attacker)
        # SameSite=Strict: the browser sends no cookie with a form of another site.
        for given in ({}, {"form_token": ""}, {"form_token": planted}):
            answer = victim.post("/dashboard/login", data=fields | given)
            assert answer.status_code == 403
            assert "socialflow_session" not in str(answer.headers.get_list("set-cookie"))
        own = login_token(victim)
        assert victim.post("/dashboard/login", data=fields | {"form_token": planted}).status_code == 403
        assert victim.post("/dashboard/login", data=fields | {"form_token": own}).status_code == 303


@pytest.mark.parametrize("name", ["accounts", "keys", "sessions", "posts"])
def test_the_cells_of_wide_tables_name_their_columns_on_a_phone(name: str) -> None:
    page = (Path(api.dashboard.__file__).parent / "templates" / f"{name}.html").read_text()
    assert '<table class="stack">' in page
    titles = {title.lower() for title in re.findall(r"<th(?: class=.right.)?>([^<{,]+)", page)}
    assert titles == {title.lower() for title in re.findall(r'data-name="([^"]+)"', page)}


def test_the_best_posts_are_shown_by_their_words(tenant: Tenant, browser: httpx.Client) -> None:
    best, silent = measure(tenant, "twitter-user", [30, 10])
    with tenant.server.services.store.write() as session:
        session.get_one(Post, best).content = "words that the lake lacks"
        session.get_one(Post, silent).content = ""
    page = browser.get("/dashboard/numbers").text
    assert "words that the lake lacks" in page
    assert "Post without text" in page
    assert f">{best}" not in page
    assert f">{silent}" not in page


def test_the_time_zone_of_an_account_is_changed_by_a_form(tenant: Tenant, browser: httpx.Client) -> None:
    account_id = tenant.accounts["mastodon-user"]
    address = f"/dashboard/accounts/{account_id}/timezone"

    def zone() -> str | None:
        shown: str | None = tenant.client.get(f"/api/v1/accounts/{account_id}").json()["timezone"]
        return shown

    assert browser.post(address, data={"timezone": "Asia/Tokyo"}).status_code == 403
    token = form_token(browser, "/dashboard/accounts")
    answer = browser.post(address, data={"form_token": token, "timezone": "Asia/Tokyo"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard/accounts")
    assert zone() == "Asia/Tokyo"
    assert 'value="Asia/Tokyo"' in browser.get("/dashboard/accounts").text
    refused = browser.post(address, data={"form_token": token, "timezone": "Mars/Olympus"})
    assert refused.status_code == 422
    assert "unknown time zone" in refused.text
    browser.post(address, data={"form_token": token, "timezone": ""})
    assert zone() is None

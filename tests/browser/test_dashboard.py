"""The dashboard in a real Chromium: dragging, keyboard, live counts, scripts off, phones, the content policy, axe.

The run of all tests has a short version. `make test-browser` (BROWSER_TEST=full) opens every page in both screen sizes
and in dark mode, runs axe-core in each, and writes the pictures of the documentation.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from connectors.registry import ConnectorPool
from connectors.settings import ConnectorSettings
from connectors.types import Platform
from flows.ingestion.metrics import read_due_metrics
from flows.publishing.publisher import run_publisher
from flows.resources import Resources
from flows.settings import FlowSettings
from tests.api.harness import RunningServer, SettableClock
from tests.browser.chromium import find_chromium, open_browser, sign_in, wait_until
from tests.browser.scene import open_scene
from warehouse.settings import WarehouseSettings
from warehouse.store.access.sign_in_links import make_local_link
from warehouse.store.access.workspaces import ensure_default_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from tests.api.harness import Server
    from tests.browser.chromium import Page
    from tests.browser.scene import Scene

FULL = os.environ.get("BROWSER_TEST") == "full"
HERE = Path(__file__).parent
IMAGES = HERE.parent.parent / "docs" / "images"
DESKTOP, PHONE, SMALLEST = (1440, 900), (390, 844), (320, 640)
SPY = """
window.refused = [];
document.addEventListener('securitypolicyviolation', (event) => window.refused.push(event.violatedDirective));
"""
pytestmark = [
    pytest.mark.skipif(
        find_chromium() is None, reason="no Chromium: apt-get install chromium, or Google Chrome"
    ),
    pytest.mark.xdist_group("whole-program"),
]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A server with a history: half a year of it for the pictures, none in the short version."""
    with open_scene(tmp_path_factory.mktemp("scene") / "home", days=182 if FULL else 0) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One browser, signed in as an administrator, which notes every refusal of the content policy."""
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        opened.resize(*DESKTOP)
        opened.call("Page.addScriptToEvaluateOnNewDocument", source=SPY)
        sign_in(opened, scene.server.url, scene.key.api_key, scene.key.api_secret)
        yield opened


def scheduled(scene: Scene, words: str) -> dict[str, Any]:
    listed = scene.tenant.client.get("/api/v1/posts?limit=100").json()["data"]
    found: dict[str, Any] = next(post for post in listed if post["content"].startswith(words))
    return found


def mouse(page: Page, kind: str, x: float, y: float) -> None:
    page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)


def press(page: Page, key: str) -> None:
    text = key if len(key) == 1 else ""
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key=key, text=text if kind == "keyDown" else "")


def middle_of(page: Page, selector: str) -> tuple[float, float]:
    box = page.evaluate(
        f"(() => {{ const one = document.querySelector({json.dumps(selector)});"
        "one.scrollIntoView({block: 'center'});"
        "const box = one.getBoundingClientRect(); return [box.left + box.width / 2, box.top + 3]; })()"
    )
    return box[0], box[1]


def test_a_post_is_moved_by_drag_undone_and_moved_by_keyboard(scene: Scene, page: Page) -> None:
    url = scene.server.url
    post = scheduled(scene, "Ask us anything")
    chip = f'[data-post="{post["id"]}"]'
    page.go(f"{url}/dashboard/calendar?view=week")
    page.wait_for(f"document.querySelector({json.dumps(chip)}) !== null")
    x, y = middle_of(page, chip)
    to = page.evaluate(
        "(() => { const box = document.querySelector('[data-hour=\"2026-03-06T10:00\"]').getBoundingClientRect();"
        "return [box.left + 20, box.top + box.height * 0.6]; })()"
    )
    mouse(page, "mousePressed", x, y)
    mouse(page, "mouseMoved", x + 20, y + 10)
    mouse(page, "mouseMoved", *to)
    mouse(page, "mouseReleased", *to)
    page.wait_for("document.querySelector('.toast')?.textContent.includes('Moved to Fri 6 Mar, 10:30')")
    assert scheduled(scene, "Ask us anything")["scheduled_at"] == "2026-03-06T09:30:00Z"
    page.evaluate("document.querySelector('.toast button').click()")
    page.wait_for("document.querySelector('.toast')?.textContent.includes('Back where it was')")
    assert scheduled(scene, "Ask us anything")["scheduled_at"] == post["scheduled_at"]
    # The same by keyboard.
    page.evaluate(f"document.querySelector({json.dumps(chip)}).focus()")
    press(page, "m")
    page.wait_for("document.querySelector('dialog[open] input') !== null")
    page.evaluate(
        "document.querySelector('dialog input').value = '2026-03-07T12:15';"
        "document.querySelector('dialog button[value=move]').click()"
    )
    page.wait_for("document.querySelector('.toast')?.textContent.includes('Sat 7 Mar, 12:15')")
    assert scheduled(scene, "Ask us anything")["scheduled_at"] == "2026-03-07T11:15:00Z"
    # A time that is over bounces, with the reason.
    page.evaluate(f"document.querySelector({json.dumps(chip)}).focus()")
    press(page, "m")
    page.wait_for("document.querySelector('dialog[open] input') !== null")
    page.evaluate(
        "document.querySelector('dialog input').value = '2026-03-02T12:15';"
        "document.querySelector('dialog button[value=move]').click()"
    )
    page.wait_for("document.querySelector('.toast.bad')?.textContent.includes('in the past')")
    assert scheduled(scene, "Ask us anything")["scheduled_at"] == "2026-03-07T11:15:00Z"
    assert page.evaluate("window.refused") == []


def test_a_post_is_written_with_counts_a_picture_and_a_preview(scene: Scene, page: Page) -> None:
    page.go(f"{scene.server.url}/dashboard/posts/new")
    words = "A cup for the rain. " + "x" * 270
    page.evaluate(
        "for (const one of document.querySelectorAll('[data-platform=twitter], [data-platform=mastodon]'))"
        " one.checked = true;"
        f"const text = document.getElementById('content'); text.value = {json.dumps(words)};"
        "text.dispatchEvent(new Event('input', {bubbles: true}));"
    )
    page.wait_for("document.getElementById('counts').textContent.includes('290/280')")
    page.wait_for("document.querySelector('#previews .cut')?.textContent === 'xxxxxxxxxx'")
    page.evaluate(
        "(async () => { const made = await fetch('/dashboard/static/favicon.svg'); await made.text();"
        "const canvas = document.createElement('canvas'); canvas.width = canvas.height = 8;"
        "const blob = await new Promise((done) => canvas.toBlob(done, 'image/png'));"
        "const moved = new DataTransfer(); moved.items.add(new File([blob], 'rain.png', {type: 'image/png'}));"
        "const form = document.getElementById('compose');"
        "form.dispatchEvent(new DragEvent('drop', {dataTransfer: moved, bubbles: true, cancelable: true})); })()"
    )
    page.wait_for("document.querySelector('.media-list [name=alt]') !== null")
    page.evaluate(
        "document.querySelector('[name=alt]').value = 'Rain on a window';"
        "document.getElementById('content').value = 'A cup for the rain.';"
        "const at = document.querySelector('[name=at]'); at.value = '2026-03-05T09:30';"
        "at.dispatchEvent(new Event('input', {bubbles: true}));"
    )
    page.wait_for("document.getElementById('submit').textContent.startsWith('Schedule for Tomorrow')"
                  " || document.getElementById('submit').textContent.includes('5 Mar, 09:30 Berlin')")  # fmt: skip
    page.wait_for("document.querySelector('#previews img') !== null")
    assert page.evaluate("document.querySelector('[name=when]:checked').value") == "at"
    # An hour of the week strip fills in the time, by a click and by the keyboard; a tab holds one platform's own words.
    page.evaluate("document.querySelector('#strip button[value=\"2026-03-05T18:00\"]').click()")
    press(page, "ArrowLeft")
    press(page, "ArrowDown")
    page.call("Input.dispatchKeyEvent", type="keyDown", key="Enter", text="\r")
    page.call("Input.dispatchKeyEvent", type="keyUp", key="Enter")
    assert page.evaluate("document.querySelector('[name=at]').value") == "2026-03-06T17:00"
    page.wait_for("document.getElementById('submit').textContent.includes('6 Mar, 17:00 Berlin')")
    assert page.evaluate("document.querySelectorAll('#strip [aria-pressed]').length") == 1
    page.evaluate("document.querySelector('[role=tab][aria-controls=only-mastodon]').click()")
    assert page.evaluate(
        "document.getElementById('text-all').hidden && !document.getElementById('only-mastodon').hidden"
    )
    page.evaluate(
        "{ const own = document.querySelector('[name=\"text.mastodon\"]'); own.value = 'Toot: rain.';"
        "own.dispatchEvent(new Event('input', {bubbles: true}));"
        "const at = document.querySelector('[name=at]'); at.value = '2026-03-05T09:30';"
        "at.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    page.wait_for("document.querySelector('#previews').textContent.includes('Toot: rain.')")
    page.wait_for("document.querySelector('[aria-controls=only-mastodon] .dotted') !== null")
    page.wait_for("document.getElementById('submit').textContent.includes('09:30 Berlin')")
    page.evaluate("document.getElementById('submit').click()")
    page.wait_for("document.querySelector('.done')?.textContent.includes('It will be published')")
    post = scheduled(scene, "A cup for the rain.")
    assert (post["status"], post["scheduled_at"]) == ("scheduled", "2026-03-05T08:30:00Z")
    assert [item["alt_text"] for item in post["media"]] == ["Rain on a window"]
    assert post["variants"]["mastodon"]["content"] == "Toot: rain."
    assert page.evaluate("window.refused") == []


def test_a_failed_post_is_repaired_from_the_strip(scene: Scene, page: Page) -> None:
    page.go(f"{scene.server.url}/dashboard/numbers")
    assert page.evaluate("document.querySelector('.needs').textContent.includes('Our new opening hours')")
    page.evaluate("document.querySelector('.needs form[action$=retry] button').click()")
    page.wait_for("location.pathname.startsWith('/dashboard/posts/post_')")
    assert scheduled(scene, "Our new opening hours")["publications"][0]["status"] == "scheduled"


def test_the_main_path_works_without_scripts(scene: Scene, page: Page) -> None:
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.go(f"{scene.server.url}/dashboard/posts/new")
        page.evaluate(
            "document.querySelector('[data-platform=mastodon]').checked = true;"
            "document.getElementById('content').value = 'Written without scripts';"
            "document.querySelector('#strip button[value=\"2026-03-05T21:00\"]').click();"
        )
        page.wait_for("document.querySelector('[name=at]')?.value === '2026-03-05T21:00'")
        page.evaluate("document.querySelector('#submit').click()")
        page.wait_for("document.querySelector('.done') !== null")
    finally:
        page.call("Emulation.setScriptExecutionDisabled", value=False)
    assert scheduled(scene, "Written without scripts")["scheduled_at"] == "2026-03-05T20:00:00Z"


NEWCOMERS_FILE = (
    "platform,account,post_id,text,published_at,captured_at,likes,comments,shares,impressions\n"
    "bluesky,{handle},old-1,Before SocialFlow,2026-02-27T09:00:00Z,2026-03-01T09:00:00Z,12,1,0,\n"
)


def submit(page: Page, action: str, fields: dict[str, str], done: str) -> None:
    """Fill in the form at this address as a person does, press its button, and wait for the next page."""
    form = f"document.querySelector('form[action=\"{action}\"]')"
    page.evaluate("window.before = true")
    for name, value in fields.items():
        page.evaluate(f"{form}.querySelector('[name={name}]').value = {json.dumps(value)}")
    page.evaluate(f"({form}.querySelector('button.main') ?? {form}.querySelector('button')).click()")
    page.wait_for(f"!window.before && document.readyState === 'complete' && {done}")


def work_beside(
    server: Server, own: Resources, job: Callable[[Resources, ConnectorPool], Coroutine[Any, Any, object]]
) -> None:
    """Do what the publisher or a flow does beside the API, on the same simulated platforms."""

    async def run() -> None:
        transport = httpx.ASGITransport(server.sandbox)  # type: ignore[arg-type]  # an ASGI app like any other
        settings = ConnectorSettings(allow_private_instances=True)
        async with ConnectorPool(settings, clock=server.clock, transport=transport) as pool:
            await job(own, pool)

    asyncio.run(run())


@pytest.mark.skipif(not FULL, reason="make test-browser goes the newcomer's whole path")
def test_a_newcomer_gets_from_the_link_to_a_published_post_in_the_numbers(page: Page, tmp_path: Path) -> None:
    """The whole path by clicks alone: link, time zone, account, file of past posts, first post, its numbers."""
    clock = SettableClock()
    with (
        RunningServer(tmp_path, clock) as server,
        Resources(WarehouseSettings(home=tmp_path), FlowSettings()) as own,
    ):
        account = next(one for one in server.world.accounts if one.platform == Platform.BLUESKY)
        with own.store.write() as session:
            workspace = ensure_default_workspace(session, clock())
            link = make_local_link(session, own.store.cipher, workspace.id, clock())
        # Another name than the other tests' server: browsers send cookies to every port of a host.
        site = server.url.replace("127.0.0.1", "localhost")

        page.go(f"{site}{link}")
        submit(page, "/dashboard/login/link", {}, "location.pathname === '/dashboard'")
        submit(
            page,
            "/dashboard/settings",
            {"timezone": "Europe/Berlin"},
            "document.querySelectorAll('.ticked').length === 1",
        )
        page.go(f"{site}/dashboard/accounts")
        page.evaluate("for (const tile of document.querySelectorAll('details.tile')) tile.open = true")
        connect = "/dashboard/accounts/connect/bluesky"
        found = f"document.querySelector('table').textContent.includes({json.dumps(account.handle)})"
        submit(page, connect, {"handle": account.handle, "secret": account.app_password}, found)

        page.go(f"{site}/dashboard/imports")
        page.evaluate(
            f"const file = new File([{json.dumps(NEWCOMERS_FILE.format(handle=account.handle))}], 'posts.csv');"
            "const all = new DataTransfer(); all.items.add(file);"
            "document.querySelector('input[type=file]').files = all.files;"
        )
        submit(page, "/dashboard/imports", {}, "document.body.textContent.includes('Before SocialFlow')")
        start = f"{page.evaluate('location.pathname')}/start"
        submit(page, start, {}, "document.querySelector('h1') !== null")
        wait_until(
            lambda: bool(
                page.go(f"{site}{start.removesuffix('/start')}")
                or page.evaluate("document.body.textContent.includes('1 rows: 1 loaded')")
            )
        )

        page.go(f"{site}/dashboard/posts/new")
        page.evaluate(
            "document.querySelector('[name=account]').checked = true;"
            "document.querySelector('[name=when][value=now]').checked = true;"
        )
        new = "/dashboard/posts/new"
        submit(
            page,
            new,
            {"content": "Our first words here"},
            "document.querySelector('[name=sure]') !== null",
        )
        page.evaluate("window.before = true; document.querySelector('[name=sure]').click()")
        page.wait_for("!window.before && document.querySelector('.done')?.textContent.includes('On its way')")
        post = page.evaluate("location.pathname")
        work_beside(
            server,
            own,
            lambda it, pool: run_publisher(
                it.store, pool, horizon=timedelta(0), max_lateness=timedelta(hours=1), clock=clock
            ),
        )
        page.go(f"{site}{post}")
        page.wait_for("document.body.textContent.includes('Published')")
        clock.advance(hours=2)
        work_beside(server, own, lambda it, pool: read_due_metrics(it, pool, run_id="newcomer", clock=clock))
        page.go(f"{site}/dashboard/numbers?days=7")
        for words in ("Our first words here", "Before SocialFlow"):
            page.wait_for(f"document.querySelector('main').textContent.includes({json.dumps(words)})")
        assert page.evaluate("window.refused") == []


def list_pages(scene: Scene) -> list[str]:
    account = scene.tenant.client.get("/api/v1/accounts").json()["data"][0]["id"]
    post = scheduled(scene, "Reminder")["id"]
    pages = ["", "/calendar", "/posts", f"/posts/{post}", "/posts/new", "/numbers", "/times", "/accounts"]
    if FULL:
        picture = {"url": scheduled(scene, "Unpacking")["media"][0]["url"], "alt_text": "Leaves"}
        parts = scene.tenant.create_post(
            content="Three cups, three parts",
            platforms=["mastodon"],
            status="draft",
            scheduled_at=None,
            thread=[{"text": "The second", "media": [picture], "after": "10m"}],
        )["id"]
        rule = scene.tenant.client.get("/api/v1/recurrences").json()["data"][0]["id"]
        hook = scene.tenant.client.post(
            "/api/v1/webhooks", json={"url": "https://hooks.example/in", "events": ["post.failed"]}
        ).json()["id"]
        file = NEWCOMERS_FILE.format(handle="ada.example")
        sent = scene.tenant.client.post("/api/v1/imports", files={"file": ("posts.csv", file)})
        pages += [
            *(f"/imports/{sent.json()['id']}", f"/posts/{parts}", f"/posts/{parts}/edit"),
            *(
                "/calendar?view=month",
                "/calendar?view=day",
                "/calendar?view=list",
                f"/calendar?account={account}",
            ),
            *(f"/posts/{post}/edit", f"/posts/{post}/move", "/posts?tab=needs", "/posts?tab=history", "/sql"),
            *(f"/numbers/accounts/{account}", "/numbers?days=7&metric=follower_growth", "/settings"),
            *(f"/accounts/{account}", f"/times/{account}/hour?weekday=1&hour=10", "/keys", "/sessions"),
            *("/settings/recurrences/new", "/settings/webhooks/new", "/times?account=" + account),
            *(
                f"/settings/recurrences/{rule}/edit",
                f"/settings/webhooks/{hook}",
                f"/settings/webhooks/{hook}/edit",
            ),
            *("/settings/audit", "/nothing", "/imports", "/posts/bulk"),
        ]
    return pages


def test_every_page_fits_every_screen_and_breaks_no_rule(scene: Scene, page: Page) -> None:
    axe = find_axe() if FULL else None
    broken: dict[str, object] = {}
    screens = [DESKTOP, PHONE, SMALLEST] if FULL else [SMALLEST]
    for dark in (False, True) if FULL else (False,):
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.call("Emulation.setEmulatedMedia", features=[scheme])
        for screen in screens:
            page.resize(*screen)
            for path in list_pages(scene):
                page.go(f"{scene.server.url}/dashboard{path}")
                place = f"{path or '/'} at {screen[0]}{' dark' if dark else ''}"
                # Not innerWidth: on a phone it grows with what is too wide.
                if page.evaluate("document.documentElement.scrollWidth") > screen[0]:
                    broken[f"{place} scrolls sideways"] = page.evaluate(
                        "document.documentElement.scrollWidth"
                    )
                if page.evaluate("window.refused.length"):
                    broken[f"{place} policy"] = page.evaluate("window.refused")
                if axe is not None:
                    page.evaluate(f"{axe};0")
                    script = (
                        "axe.run(document, {resultTypes: ['violations']}).then((all) => all.violations.map("
                        "(one) => [one.id, one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160) + ' ' +"
                        " (node.any[0]?.message ?? ''))]))"
                    )
                    if found := page.evaluate(script):
                        broken[f"{place} axe"] = found
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
    page.resize(*DESKTOP)
    assert broken == {}, json.dumps(broken, indent=1)


def find_axe() -> str:
    """Return the source of axe-core, installed with npm at the exact version of package.json."""
    source = HERE / "node_modules" / "axe-core" / "axe.min.js"
    if not source.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("axe-core needs npm: apt-get install npm")
        done = subprocess.run(
            [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"],
            cwd=HERE, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"axe-core could not be installed: {done.stderr[-300:]}")
    return source.read_text()


PICTURES = {
    "calendar": "/calendar?account={account}",
    "numbers": "/numbers",
    "compose": "/posts/{post}/edit",
    "best-times": "/times?account={account}",
    "today": "",
}


@pytest.mark.skipif(not FULL, reason="make test-browser writes the pictures")
def test_the_pictures_of_the_documentation_are_made(scene: Scene, page: Page) -> None:
    IMAGES.mkdir(exist_ok=True)
    accounts = scene.tenant.client.get("/api/v1/accounts").json()["data"]
    account = next(row["id"] for row in accounts if row["platform"] == "mastodon")
    post = scheduled(scene, "Unpacking")["id"]
    page.resize(1280, 800)
    for name, path in PICTURES.items():
        page.go(f"{scene.server.url}/dashboard{path.format(account=account, post=post)}")
        page.evaluate("new Promise((done) => setTimeout(done, 800))")
        page.photograph(IMAGES / f"{name}.png", whole=False)
        assert (IMAGES / f"{name}.png").stat().st_size < 400_000
    page.resize(*PHONE)
    page.go(f"{scene.server.url}/dashboard")
    page.evaluate("new Promise((done) => setTimeout(done, 500))")
    page.photograph(IMAGES / "phone.png", whole=False)
    page.resize(*DESKTOP)

"""The dashboard in a real Chromium: dragging, keyboard, live counts, scripts off, phones, the content policy, axe.

The run of all tests has a short version. `make test-browser` (BROWSER_TEST=full) opens every page in both screen sizes
and in dark mode, runs axe-core in each, and writes the pictures of the documentation.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.chromium import find_chromium, open_browser, sign_in
from tests.browser.scene import open_scene

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    page.evaluate("document.getElementById('submit').click()")
    page.wait_for("document.querySelector('.done')?.textContent.includes('It goes out')")
    post = scheduled(scene, "A cup for the rain.")
    assert (post["status"], post["scheduled_at"]) == ("scheduled", "2026-03-05T08:30:00Z")
    assert [item["alt_text"] for item in post["media"]] == ["Rain on a window"]
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
            "document.querySelector('[name=when][value=at]').checked = true;"
            "document.querySelector('[name=at]').value = '2026-03-05T21:00';"
            "document.querySelector('#submit').click();"
        )
        page.wait_for("document.querySelector('.done') !== null")
    finally:
        page.call("Emulation.setScriptExecutionDisabled", value=False)
    assert scheduled(scene, "Written without scripts")["scheduled_at"] == "2026-03-05T20:00:00Z"


def list_pages(scene: Scene) -> list[str]:
    account = scene.tenant.client.get("/api/v1/accounts").json()["data"][0]["id"]
    post = scheduled(scene, "Reminder")["id"]
    pages = ["", "/calendar", "/posts", f"/posts/{post}", "/posts/new", "/numbers", "/times", "/accounts"]
    if FULL:
        pages += [
            *(
                "/calendar?view=month",
                "/calendar?view=day",
                "/calendar?view=list",
                f"/calendar?account={account}",
            ),
            *(f"/posts/{post}/edit", f"/posts/{post}/move", "/posts?tab=needs", "/posts?tab=history", "/sql"),
            *(f"/numbers/accounts/{account}", "/numbers?days=7&metric=follower_growth", "/settings"),
            *(f"/accounts/{account}", f"/times/{account}/hour?weekday=1&hour=10", "/keys", "/sessions"),
            *("/settings/recurrences/new", "/settings/webhooks/new"),
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
                if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
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

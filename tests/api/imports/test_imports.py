"""Files of past posts by API and dashboard: seen before they are imported, imported once, and undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.dashboard.test_pages import form_token, make_key, sign_in
from tests.api.harness import make_tenant
from warehouse.store.imports.imports import claim_import

if TYPE_CHECKING:
    import httpx

    from tests.api.harness import Tenant

IMPORTS = "/api/v1/imports"
FILE = (
    "platform,post_id,published_at,likes,comments,shares,text\n"
    + "".join(f"mastodon,9{day:02},2025-05-{day:02} 10:07,{day},2,3,Tea {day}\n" for day in range(1, 25))
    + "mastodon,999,never,1,1,1,Bad\n"
)


def send(tenant: Tenant, content: str = FILE, **options: Any) -> httpx.Response:
    query = {name: "true" for name in ("dry_run", "start") if options.pop(name, False)}
    return tenant.client.post(
        IMPORTS, params=query, files={"file": ("history.csv", content.encode())}, data=options
    )


def wait_for(tenant: Tenant, import_id: str) -> dict[str, Any]:
    assert tenant.server.services.imports.wait(60)
    told: dict[str, Any] = tenant.client.get(f"{IMPORTS}/{import_id}").json()
    return told


def count_posts(tenant: Tenant) -> int:
    query = "SELECT count(*) AS posts FROM marts.publication_latest WHERE workspace_id = $id"
    return int(tenant.server.services.lake.query(query, {"id": tenant.workspace_id})[0]["posts"])


def test_upload_preview_start_report_again_undo_delete(tenant: Tenant) -> None:
    dry = send(tenant, account="@tea@tea.example", dry_run=True)
    assert dry.status_code == 201, dry.text
    assert (dry.json()["id"], tenant.client.get(IMPORTS).json()["data"]) == (None, [])
    made = send(tenant, account="@tea@tea.example").json()
    assert (made["status"], made["needs"], len(made["preview"]), made["rejected_rows"]) == (
        "ready",
        [],
        20,
        1,
    )
    assert made["preview"] == dry.json()["preview"]
    assert made["detection"]["sentence"].startswith("History file, 24 posts, 2025-05-01 to 2025-05-24")
    assert count_posts(tenant) == 0
    started = tenant.client.post(f"{IMPORTS}/{made['id']}/start")
    assert (started.status_code, started.json()["status"]) == (202, "queued")
    done = wait_for(tenant, made["id"])
    assert (done["status"], done["error"], done["report"]["loaded"], done["rejected"][0]["line"]) == (
        *("done", None, 24),
        26,
    )
    assert count_posts(tenant) == 24
    again = wait_for(tenant, send(tenant, account="tea@tea.example", start=True).json()["id"])
    assert (again["report"]["loaded"], again["report"]["already_there"]) == (0, 24)
    assert tenant.client.delete(f"{IMPORTS}/{made['id']}").status_code == 409
    for import_id in (again["id"], made["id"]):
        assert tenant.client.post(f"{IMPORTS}/{import_id}/undo").status_code == 202
        undone = wait_for(tenant, import_id)
        assert undone["status"] == "undone"
    assert (count_posts(tenant), undone["report"]["undone"]["posts"]) == (0, 24)
    assert tenant.client.delete(f"{IMPORTS}/{made['id']}").status_code == 200
    assert [one["id"] for one in tenant.client.get(IMPORTS).json()["data"]] == [again["id"]]


def test_what_the_file_does_not_say_is_asked_for(tenant: Tenant) -> None:
    made = send(tenant, FILE.replace("platform,", "").replace("mastodon,", "")).json()
    assert made["needs"] == ["platform", "account"]
    refused = tenant.client.post(f"{IMPORTS}/{made['id']}/start")
    assert (refused.status_code, "platform and account" in refused.json()["detail"]) == (422, True)
    assert tenant.client.delete(f"{IMPORTS}/{made['id']}").status_code == 200
    for content, options, pointer in (
        ("%PDF-1.7 not a table", {}, "/path"),
        (FILE, {"date_order": "sideways"}, "/date_order"),
        (FILE, {"year": "12"}, "/year"),
        (FILE, {"mood": "good"}, "/mood"),
        (FILE, {"timezone": "Mars/Olympus"}, "/timezone"),
    ):
        answer = send(tenant, content, **options)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), answer.text
    other = make_tenant(tenant.server)
    mine = send(tenant, account="tea").json()["id"]
    assert other.client.get(f"{IMPORTS}/{mine}").status_code == 404


def test_an_import_that_a_killed_process_left_is_continued(tenant: Tenant) -> None:
    services = tenant.server.services
    made = send(tenant, account="killed@tea.example").json()
    with services.store.write() as session:
        from warehouse.store.imports.imports import start_import  # noqa: PLC0415 (only here)

        start_import(session, tenant.workspace_id, made["id"], services.clock())
        # A process id that no process can have.
        claim_import(
            session, services.clock(), f"{__import__('socket').gethostname()[:40]}/4194305/0", made["id"]
        )
    services.imports.resume()
    assert wait_for(tenant, made["id"])["report"]["loaded"] == 24


def test_the_same_steps_in_the_dashboard(tenant: Tenant) -> None:
    browser = sign_in(tenant.server, make_key(tenant, "read", "write"))
    page = browser.get("/dashboard/imports").text
    token = page.partition('name="form_token" value="')[2].partition('"')[0]
    fields = {"form_token": token, "account": "page@tea.example"}
    sent = browser.post("/dashboard/imports", data=fields, files={"file": ("history.csv", FILE.encode())})
    assert sent.status_code == 303, sent.text
    address = sent.headers["location"]
    assert "History file, 24 posts" in browser.get(address).text
    assert browser.post(f"{address}/start", data={"form_token": token}).status_code == 303
    assert wait_for(tenant, address.rpartition("/")[2])["status"] == "done"
    assert "Undo this import" in browser.get(address).text
    assert browser.post(f"{address}/undo", data={"form_token": "other"}).status_code == 403
    refused = browser.post("/dashboard/imports", data=fields, files={"file": ("a.pdf", b"%PDF-1.7")})
    assert (refused.status_code, 'role="alert"' in refused.text) == (422, True)


@pytest.mark.parametrize(("save", "status"), [({}, "valid"), ({"save": "yes"}, "created")])
def test_a_bulk_file_in_the_dashboard(tenant: Tenant, save: dict[str, str], status: str) -> None:
    browser = sign_in(tenant.server, make_key(tenant, "read", "write"))
    page = browser.get("/dashboard/posts/bulk").text
    token = page.partition('name="form_token" value="')[2].partition('"')[0]
    body = b"Text,Image URL,Tags,Posting Time\nTea,,green,\nCake,,,2030-04-15 09:00\n"
    fields = {"form_token": token, "platform": "mastodon", **save}
    told = browser.post("/dashboard/posts/bulk", data=fields, files={"file": ("buffer.csv", body)})
    assert told.status_code == 200, told.text
    assert (told.text.count(f">{status}<"), "not used: Tags (Buffer)" in told.text) == (2, True)


TABLE = "Datum;Konto;Aufrufe;Notiz\n" + "".join(
    f"2025-05-{day:02} 10:07;haus;{day};x\n" for day in range(1, 4)
)
MEANING = {"Datum": "published_at", "Konto": "account", "Aufrufe": "views", "Notiz": "-"}


def test_a_table_of_ones_own_is_mapped_remembered_and_forgotten(tenant: Tenant) -> None:
    refused = send(tenant, TABLE, platform="mastodon")
    entry = refused.json()["errors"][0]
    assert (refused.status_code, entry["columns"]) == (422, ["Datum", "Konto", "Aufrufe", "Notiz"])
    assert "--" not in entry["detail"]
    assert "mapping" in entry["detail"]
    lines = "\n".join(f"{column}={field}" for column, field in MEANING.items())
    made = send(tenant, TABLE, platform="mastodon", mapping=lines, remember="weekly").json()
    assert (made["detection"]["posts"], made["options"]["mapping"]) == (3, MEANING)
    maps = tenant.client.get("/api/v1/import-maps").json()["data"]
    assert [(one["name"], one["columns"]) for one in maps] == [("weekly", MEANING)]
    known = send(tenant, TABLE, platform="mastodon").json()
    assert (known["detection"]["posts"], known["options"]["mapping"]) == (3, MEANING)
    assert tenant.client.delete("/api/v1/import-maps/weekly").json()["name"] == "weekly"
    assert tenant.client.delete("/api/v1/import-maps/weekly").status_code == 404
    tenant.client.post(f"{IMPORTS}/{known['id']}/start")
    assert wait_for(tenant, known["id"])["report"]["loaded"] == 3, "it is imported as it was shown"
    other = make_tenant(tenant.server)
    assert other.client.get("/api/v1/import-maps").json()["data"] == []


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"mapping": "{"}, "mapping"),
        ({"mapping": "[1]"}, "mapping"),
        ({"mapping": '{"Datum": 1}'}, "mapping"),
        ({"mapping": '{"Datum": "when"}'}, "mapping"),
        ({"mapping": '{"Tag": "published_at"}'}, "mapping"),
        ({"remember": "weekly"}, "remember"),
        ({"mapping": '{"Datum": "published_at"}', "remember": "a\tb"}, "remember"),
    ],
)
def test_a_mapping_that_is_none_is_refused(tenant: Tenant, options: dict[str, str], field: str) -> None:
    refused = send(tenant, TABLE, platform="mastodon", **options)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == f"/{field}"


def test_the_page_asks_what_the_columns_of_an_unknown_table_mean(tenant: Tenant) -> None:
    browser = sign_in(tenant.server, make_key(tenant, "read", "write"))
    address = "/dashboard/imports"
    token = form_token(browser, address)

    def upload(**given: Any) -> httpx.Response:
        fields = {"form_token": token, "platform": "mastodon", **given}
        return browser.post(address, files={"file": ("table.csv", TABLE.encode())}, data=fields)

    asked = upload()
    assert asked.status_code == 422
    for column in MEANING:
        assert f'name="column" value="{column}"' in asked.text
    done = upload(column=list(MEANING), field=list(MEANING.values()), remember="weekly")
    assert done.status_code == 303, done.text
    assert "Datum = published_at" in browser.get(address).text
    gone = browser.post("/dashboard/import-maps/remove", data={"form_token": token, "name": "weekly"})
    assert gone.status_code == 303
    assert "Datum = published_at" not in browser.get(address).text

"""Dashboard sessions by API and on the command line: listed, ended, and closed at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.api.dashboard.test_pages import make_key, sign_in

if TYPE_CHECKING:
    from tests.api.harness import Tenant

SESSIONS = "/api/v1/sessions"


def test_a_session_is_listed_and_ended_by_api(tenant: Tenant) -> None:
    key = make_key(tenant, "read")
    with (
        tenant.client_with("admin") as admin,
        sign_in(tenant.server, key) as browser,
        sign_in(tenant.server, key) as other,
    ):
        newest, older = admin.get(SESSIONS).json()["data"]
        assert newest["key_id"] == older["key_id"] == key.row.id
        assert (newest["key_name"], newest["address"]) == ("me", "127.0.0.1")
        assert newest["browser"].startswith("python-httpx")
        first = admin.get(SESSIONS, params={"limit": 1}).json()
        assert [one["id"] for one in first["data"]] == [newest["id"]]
        second = admin.get(SESSIONS, params={"limit": 1, "cursor": first["next_cursor"]}).json()
        assert ([one["id"] for one in second["data"]], second["has_more"]) == ([older["id"]], False)

        assert admin.delete(f"{SESSIONS}/{older['id']}").status_code == 204
        assert browser.get("/dashboard/accounts").status_code == 303
        assert other.get("/dashboard/accounts").status_code == 200
        assert [one["id"] for one in admin.get(SESSIONS).json()["data"]] == [newest["id"]]
        assert admin.delete(f"{SESSIONS}/{older['id']}").status_code == 404
        ended = admin.get("/api/v1/audit-log", params={"action": "session_ended"}).json()["data"]
        assert [one["subject_id"] for one in ended] == [older["id"]]
        # Nothing that signs a browser in is answered.
        assert browser.cookies["socialflow_session"] not in admin.get(SESSIONS).text

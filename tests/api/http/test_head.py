"""HEAD is answered wherever GET is, with the same status and headers and without a body."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.api.harness import Tenant

CALLBACK = "/api/v1/accounts/connect/mastodon/callback"
VARYING = {"date", "x-request-id", "ratelimit-remaining", "ratelimit-reset"}


def list_paths(tenant: Tenant) -> list[str]:
    document = tenant.client.get("/openapi.json").json()
    documented = [
        path for path, methods in document["paths"].items() if "get" in methods and "callback" not in path
    ]
    pages = [
        "/",
        "/docs",
        "/openapi.json",
        "/healthz",
        "/dashboard",
        "/dashboard/login",
        "/dashboard/style.css",
    ]
    return sorted({*(path.replace("{", "").replace("}", "") for path in documented), *pages})


def test_head_is_get_without_a_body(tenant: Tenant) -> None:
    paths = list_paths(tenant)
    assert len(paths) >= 40
    for path in paths:
        got, head = tenant.client.get(path), tenant.client.head(path)
        assert head.status_code == got.status_code, path
        assert head.content == b"", path
        assert set(head.headers) - VARYING == set(got.headers) - VARYING, path
        if got.status_code == 200 and "etag" in got.headers:
            assert head.headers["etag"] == got.headers["etag"], path
            assert head.headers["content-length"] == got.headers["content-length"], path


def test_head_is_refused_where_get_would_change_something_or_is_absent(tenant: Tenant) -> None:
    assert tenant.client.head(CALLBACK, params={"state": "x", "code": "y"}).status_code == 405
    refused = tenant.client.head("/api/v1/posts/bulk")
    assert refused.status_code in {404, 405}
    assert refused.content == b""
    allowed = tenant.client.put("/api/v1/posts").headers["allow"]
    assert "HEAD" in allowed.split(", ")


@pytest.mark.parametrize("path", ["/api/v1/posts", "/api/v1/accounts"])
def test_head_needs_a_token_as_get_does(tenant: Tenant, path: str) -> None:
    refused = tenant.client.head(path, headers={"Authorization": "Bearer wrong"})
    assert refused.status_code == 401

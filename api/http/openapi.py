"""OpenAPI document: FastAPI's, with our error responses and without those that do not apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

from api.http.openapi_links import METHODS, add_links
from api.http.schemas import Problem, problems
from warehouse.store.schedules.calendar_feeds import FEED_PATH, FEED_TOKEN

if TYPE_CHECKING:
    from fastapi import FastAPI

DESCRIPTION = """Plan, publish and measure posts on social platforms.

Get a token with `POST /api/v1/auth/token`, send it as `Authorization: Bearer <token>`. Times are ISO 8601; responses
are UTC. Every error is `application/problem+json` (RFC 9457) with a stable `code`. Unmeasured values are null,
never 0. A POST with an `Idempotency-Key` can be repeated safely for 24 hours. Lists continue with `next_cursor`."""


def build_openapi(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of all public routes."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=DESCRIPTION,
        routes=app.routes,
        openapi_version="3.1.0",
    )
    schemas = document["components"]["schemas"]
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs", {})
    schemas["Problem"] = problem
    # FastAPI declares its own schema for 422; ours is a Problem.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for item in document["paths"].values():
        for method in METHODS:
            if method in item:
                _drop_foreign_422(item[method])
                _add_answers_to_any_body(item[method])
    _name_the_feeds_token(document)
    add_links(document)
    return document


def _add_answers_to_any_body(operation: dict[str, Any]) -> None:
    """Add the 400 and 413 responses to every operation with a body."""
    if "requestBody" in operation:
        for status, answer in problems(400, 413).items():
            operation["responses"].setdefault(str(status), answer)
        operation["responses"] = dict(sorted(operation["responses"].items()))


def _name_the_feeds_token(document: dict[str, Any]) -> None:
    """Declare the feed token as a separate security scheme: the feed accepts it or an access token."""
    document["components"]["securitySchemes"]["feedToken"] = {
        "type": "apiKey",
        "in": "query",
        "name": FEED_TOKEN,
        "description": "The token in the address that POST /api/v1/calendar-feeds gives.",
    }
    document["paths"][FEED_PATH]["get"]["security"] = [{"accessToken": []}, {"feedToken": []}]


def _drop_foreign_422(operation: dict[str, Any]) -> None:
    answer = operation["responses"].get("422")
    if answer is not None and "application/json" in answer.get("content", {}):
        del answer["content"]["application/json"]
        if not answer["content"]:
            del operation["responses"]["422"]

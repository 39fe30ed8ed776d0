"""The operations of the OpenAPI document, and how to call each; every path, also those the document does not show."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from api.app import create_app
from api.settings import ApiSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import httpx

APP = create_app(ApiSettings())
DOCUMENT = APP.openapi()


def resolve(schema: dict[str, Any]) -> dict[str, Any]:
    """Follow references and take the first of alternatives."""
    while "$ref" in schema or "anyOf" in schema:
        schema = schema["anyOf"][0] if "anyOf" in schema else schema
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


class Operation:
    """One operation of the document, and how to call it."""

    def __init__(self, path: str, method: str, operation: dict[str, Any]) -> None:
        self.path, self.method, self.id = path, method.upper(), str(operation["operationId"])
        self.operation = operation

    def __repr__(self) -> str:
        return self.id

    @property
    def path_parameters(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def query_parameters(self) -> list[str]:
        return [one["name"] for one in self.operation.get("parameters", ()) if one["in"] == "query"]

    @property
    def required_query(self) -> dict[str, Any]:
        """An example of each query parameter without which nothing is answered."""
        return {
            one["name"]: one["schema"]["examples"][0]
            for one in self.operation.get("parameters", ())
            if one["in"] == "query" and one["required"]
        }

    @property
    def body_schema(self) -> dict[str, Any] | None:
        content = self.operation.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema")
        return None if schema is None else resolve(schema)

    @property
    def takes_a_file(self) -> bool:
        return "multipart/form-data" in self.operation.get("requestBody", {}).get("content", {})

    @property
    def body(self) -> Any:
        return None if self.body_schema is None else self.body_schema.get("example", {})

    def address(self, ids: Mapping[str, str]) -> str:
        return re.sub(r"\{(\w+)\}", lambda match: ids[match[1]], self.path)

    def call(self, client: httpx.Client, ids: Mapping[str, str], **more: Any) -> httpx.Response:
        if "json" not in more and "content" not in more:
            more["json"] = self.body
        more["params"] = {**self.required_query, **more.get("params", {})}
        return client.request(self.method, self.address(ids), **more)


OPERATIONS = [
    Operation(path, method, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
]


def hidden_paths() -> set[str]:
    """Every path that answers but is not in the document."""
    return set(_walk(APP.routes, "")) - set(DOCUMENT["paths"])


def _walk(routes: Any, prefix: str) -> Iterator[str]:
    for route in routes:
        # FastAPI keeps an included router whole, with what it was included by beside it.
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield prefix + route.path
        else:
            yield from _walk(inner.routes, prefix + route.include_context.prefix)

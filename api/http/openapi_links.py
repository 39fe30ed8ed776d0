"""OpenAPI links: which response contains the id that another operation takes.

Client generators and fuzzers follow them, for example from a created post to reading, moving and canceling
it.
"""

from __future__ import annotations

from typing import Any

METHODS = ("get", "post", "patch", "put", "delete")

_ALSO_PRODUCED_BY = {
    "account_id": [("connect_account", "/id")],
    "publication_id": [("create_post", "/publications/0/id"), ("get_post", "/publications/0/id")],
}
"""Responses with the id of another resource: the parameter, the operation, a JSON pointer."""


def add_links(document: dict[str, Any]) -> None:
    """Link every response with an id to every operation that takes the id in its path."""
    operations = {
        item[method]["operationId"]: (path, item[method])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    }
    for producer, (produced_at, operation) in operations.items():
        for consumer, (path, target) in operations.items():
            parameters = _parameters(path)
            sources = {name: _find_source(document, name, producer, produced_at) for name in parameters}
            # A nested path also takes the path parameters of the producing operation.
            for name in _parameters(produced_at):
                if name in sources and sources[name] is None:
                    sources[name] = f"$request.path.{name}"
            known = {name: source for name, source in sources.items() if source is not None}
            fresh = [source for source in known.values() if source.startswith("$response")]
            if fresh and len(known) == len(parameters) and consumer != producer:
                _link(operation, target["operationId"], known)


def _parameters(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def _find_source(document: dict[str, Any], name: str, producer: str, produced_at: str) -> str | None:
    for operation_id, pointer in _ALSO_PRODUCED_BY.get(name, ()):
        if operation_id == producer:
            return f"$response.body#{pointer}"
    if f"{produced_at}/{{{name}}}" not in document["paths"]:
        return None
    is_list = document["paths"][produced_at].get("get", {}).get("operationId") == producer
    return "$response.body#/data/0/id" if is_list else "$response.body#/id"


def _link(operation: dict[str, Any], target: str, parameters: dict[str, str]) -> None:
    status = "201" if "201" in operation["responses"] else "200"
    links = operation["responses"][status].setdefault("links", {})
    links[target] = {"operationId": target, "parameters": parameters}

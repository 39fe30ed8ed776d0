"""A Google API discovery document: method, path, parameters, request and response schema, resumable uploads."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tests.specs.json_schemas import Schema, Schemas
from tests.specs.oauth import check_refresh

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.specs.exchanges import Exchange

_TOKEN_PATH = "/token"
_MORE_TO_COME = 308


class DiscoveryContract:
    """One discovery document."""

    def __init__(self, file: Path) -> None:
        document = json.loads(file.read_text(encoding="utf-8"))
        self._shared: Schema = document["parameters"]
        self._service = f"/{document.get('servicePath', '')}".rstrip("/")
        self._methods = list(_walk(document["resources"]))
        self._schemas = Schemas({"schemas": _readable(document["schemas"])})
        self._uploads: dict[str, Schema] = {}

    def check(self, exchange: Exchange) -> list[str]:
        path = exchange.url.path
        if path == _TOKEN_PATH:
            return check_refresh(exchange)
        if "upload_id" in exchange.url.params and exchange.method == "PUT":
            return list(self._check_chunk(exchange))
        for method in self._methods:
            if method["httpMethod"] != exchange.method:
                continue
            plain = re.sub(r"\{\w+\}", "[^/]+", f"{self._service}/{method.get('flatPath') or method['path']}")
            if re.fullmatch(plain, path):
                return self._check_call(exchange, method, upload=False)
            uploads = method.get("mediaUpload", {}).get("protocols", {}).values()
            if path in {protocol["path"] for protocol in uploads}:
                return self._check_call(exchange, method, upload=True)
        return [f"{exchange.name}: no such method in the specification"]

    def _check_call(self, exchange: Exchange, method: Schema, *, upload: bool) -> list[str]:
        where = method["id"]
        wrong = list(self._check_parameters(exchange, method, where))
        if "request" in method and exchange.body:
            if exchange.content_type != "application/json":
                wrong.append(f"{where}: takes JSON, not {exchange.content_type!r}")
            else:
                wrong += self._schemas.check(_ref(method["request"]), exchange.json(), f"{where} body")
        if exchange.status is None:
            return wrong
        if upload and exchange.status == 200 and exchange.url.params.get("uploadType") != "media":
            if exchange.url.params.get("uploadType") != "resumable":
                wrong.append(f"{where}: an upload says uploadType=resumable")
            if "location" not in exchange.answer_headers:
                wrong.append(f"{where}: a session's address is in the header Location")
            return wrong
        return wrong + list(self._check_answer(exchange, method, where))

    def _check_parameters(self, exchange: Exchange, method: Schema, where: str) -> Iterable[str]:
        known: Schema = self._shared | method.get("parameters", {})
        sent: dict[str, list[str]] = {}
        for name, value in exchange.query:
            sent.setdefault(name, []).append(value)
        for name, values in sent.items():
            if name not in known:
                yield f"{where}: no parameter {name} in the specification"
                continue
            declared = known[name]
            words = [word for value in values for word in value.split(",")]
            if len(words) > 1 and not declared.get("repeated"):
                words = [",".join(values)]
            schema = _readable({name: value for name, value in declared.items() if name != "required"})
            for word in words:
                value = self._schemas.coerce(schema, word)
                yield from self._schemas.check(schema, value, f"{where} ?{name}")
        for name, declared in known.items():
            if declared.get("required") and declared["location"] == "query" and name not in sent:
                yield f"{where}: the parameter {name} is missing"

    def _check_chunk(self, exchange: Exchange) -> Iterable[str]:
        """Check what goes to an upload session: bytes, or a question how many arrived."""
        content_range = exchange.headers.get("content-range", "")
        if content_range and not re.fullmatch(r"bytes (\*|\d+-\d+)/(\*|\d+)", content_range):
            yield f"{exchange.name}: Content-Range {content_range!r}"
        if exchange.status in {200, 201}:
            method = next(item for item in self._methods if item["id"] == "youtube.videos.insert")
            yield from self._check_answer(exchange, method, f"{exchange.name} (upload)")
        elif exchange.status == _MORE_TO_COME and exchange.answer:
            yield f"{exchange.name}: 308 has no body"

    def _check_answer(self, exchange: Exchange, method: Schema, where: str) -> Iterable[str]:
        where = f"{where} -> {exchange.status}"
        answer = exchange.answer_json()
        if (exchange.status or 0) >= 400:
            error = answer.get("error") if isinstance(answer, dict) else None
            if not isinstance(error, dict) or error.get("code") != exchange.status:
                yield f"{where}: no error object with its code: {answer!r}"
        elif "response" in method:
            yield from self._schemas.check(_ref(method["response"]), answer, where)


def _walk(resources: Schema) -> Iterable[Schema]:
    for resource in resources.values():
        yield from resource.get("methods", {}).values()
        yield from _walk(resource.get("resources", {}))


def _ref(named: Schema) -> Schema:
    return {"$ref": f"#/schemas/{named['$ref']}"}


def _readable(node: Any) -> Any:
    """Rewrite a discovery schema as JSON Schema: short $refs, bounds as text, `any`, formats of numbers."""
    if isinstance(node, list):
        return [_readable(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {name: _readable(item) for name, item in node.items()}
    if isinstance(made.get("$ref"), str):
        return {"$ref": f"#/schemas/{made['$ref']}"}
    return _readable_type(made) if isinstance(made.get("type"), str) else made


def _readable_type(made: Schema) -> Schema:
    for bound in ("minimum", "maximum"):
        if isinstance(made.get(bound), str):
            made[bound] = int(made[bound])
    if made.get("format") in {"int64", "uint64"} and made["type"] == "string":
        made["pattern"] = r"^-?[0-9]+$"
    # `id` names the schema itself, `required` means something else; neither is JSON Schema's word.
    kept = {name: value for name, value in made.items() if name not in {"id", "required", "default"}}
    return {name: value for name, value in kept.items() if (name, value) != ("type", "any")}

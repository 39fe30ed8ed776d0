"""OpenAPI 3.0 and 3.1: method, path, parameters, request body and answer of each exchange."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from tests.specs.json_schemas import Schema, Schemas
from tests.specs.oauth import check_refresh

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.specs.exchanges import Exchange

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "detail", "status"],
    "properties": {
        **{key: {"type": "string"} for key in ("type", "title", "detail")},
        "status": {"type": "integer"},
    },
}


class OpenApiContract:
    """One OpenAPI document."""

    def __init__(
        self,
        file: Path,
        *,
        arrays: str = "",
        outside: tuple[str, ...] = (),
        exclusive: bool = True,
        naive_times: bool = False,
    ) -> None:
        """Read the document.

        `arrays` is what the platform puts behind the name of a repeated parameter, as in `id[]`; `outside` are
        beginnings of paths that are not the platform's own API. The others: see Schemas.
        """
        self.document: Schema = json.loads(file.read_text(encoding="utf-8"))
        self.arrays = arrays
        self.outside = outside
        self.schemas = Schemas(self.document, exclusive=exclusive, naive_times=naive_times)
        servers = self.document.get("servers") or [{"url": ""}]
        self.base = urlsplit(servers[0]["url"]).path.rstrip("/")

    @cached_property
    def paths(self) -> list[tuple[re.Pattern[str], str]]:
        """Each path as a pattern; those with fewer placeholders come first."""
        return [
            (re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))), path)
            for path in sorted(self.document["paths"], key=lambda path: path.count("{"))
        ]

    @cached_property
    def token_paths(self) -> set[str]:
        """Where tokens are refreshed: told by the security schemes, not by the paths."""
        schemes = self.document.get("components", {}).get("securitySchemes", {}).values()
        flows = [flow for scheme in schemes for flow in scheme.get("flows", {}).values()]
        return {urlsplit(flow[name]).path for flow in flows for name in ("tokenUrl",) if name in flow}

    def check(self, exchange: Exchange) -> list[str]:
        path = exchange.url.path
        if path.startswith(self.outside):
            return []
        local = path.removeprefix(self.base)
        template = next((name for pattern, name in self.paths if pattern.fullmatch(local)), None)
        if template is None or not path.startswith(self.base):
            if path in self.token_paths:
                return check_refresh(exchange)
            return [f"{exchange.name}: no such path in the specification"]
        item = self.document["paths"][template]
        operation = item.get(exchange.method.lower())
        if operation is None:
            return [f"{exchange.method} {template}: no such method in the specification"]
        shared = [*item.get("parameters", ()), *operation.get("parameters", ())]
        parameters = [self.schemas.resolve(parameter) for parameter in shared]
        where = f"{exchange.method} {template}"
        return [
            *self._check_parameters(exchange, parameters, template, local, where),
            *self._check_body(exchange, operation.get("requestBody"), where),
            *self._check_answer(exchange, operation["responses"], where),
        ]

    def _check_parameters(
        self, exchange: Exchange, parameters: list[Schema], template: str, local: str, where: str
    ) -> Iterable[str]:
        known = {item["name"]: item for item in parameters if item["in"] == "query"}
        sent: dict[str, list[str]] = {}
        for raw, value in exchange.query:
            name = raw.removesuffix(self.arrays) if self.arrays else raw
            if name not in known:
                yield f"{where}: no query parameter {raw} in the specification"
            elif name != raw and not self._is_list(known[name]):
                yield f"{where}: {name} takes one value, not a list"
            else:
                sent.setdefault(name, []).append(value)
        for name, item in known.items():
            if name in sent:
                yield from self._check_value(item, sent[name], f"{where} ?{name}")
            elif item.get("required"):
                yield f"{where}: the query parameter {name} is missing"
        names = re.findall(r"\{(\w+)\}", template)
        pattern = re.sub(r"\\\{\w+\\\}", "([^/]+)", re.escape(template))
        values = re.fullmatch(pattern, local)
        for name, value in zip(names, values.groups() if values else (), strict=True):
            item = next((item for item in parameters if item["in"] == "path" and item["name"] == name), None)
            if item is not None:
                yield from self._check_value(item, [unquote(value)], f"{where} {{{name}}}")

    def _check_value(self, item: Schema, values: list[str], where: str) -> list[str]:
        schema = item.get("schema", {})
        if self._is_list(item):
            exploded = item.get("explode", True)
            texts = values if exploded else [part for value in values for part in value.split(",")]
            inner = next((part["items"] for part in self.schemas.flatten(schema) if "items" in part), {})
            return self.schemas.check(schema, [self.schemas.coerce(inner, text) for text in texts], where)
        if len(values) > 1:
            return [f"{where}: given {len(values)} times"]
        return self.schemas.check(schema, self.schemas.coerce(schema, values[0]), where)

    def _is_list(self, parameter: Schema) -> bool:
        return "array" in self.schemas.kinds(parameter.get("schema", {}))

    def _check_body(self, exchange: Exchange, declared: Schema | None, where: str) -> Iterable[str]:
        if declared is None:
            if exchange.body:
                yield f"{where}: takes no body"
            return
        declared = self.schemas.resolve(declared)
        if not exchange.body:
            if declared.get("required"):
                yield f"{where}: the body is missing"
            return
        media = declared["content"].get(exchange.content_type)
        if media is None:
            yield f"{where}: takes {', '.join(declared['content'])}, not {exchange.content_type!r}"
            return
        schema = media["schema"]
        value = (
            exchange.json() if exchange.content_type.endswith("json") else self._read_form(exchange, schema)
        )
        yield from self.schemas.check(schema, value, f"{where} body")

    def _read_form(self, exchange: Exchange, schema: Schema) -> dict[str, Any]:
        properties: dict[str, Schema] = {}
        for part in self.schemas.flatten(schema):
            properties |= part.get("properties", {})
        return {
            # The bytes of a file are no text of JSON; that there is one is all a schema can ask.
            name: "(file)"
            if isinstance(value, bytes)
            else self.schemas.coerce(properties.get(name, {}), value)
            for name, value in exchange.form()
        }

    def _check_answer(self, exchange: Exchange, responses: Schema, where: str) -> Iterable[str]:
        if exchange.status is None:
            return
        family = f"{exchange.status // 100}XX"
        declared = next(
            (responses[key] for key in (str(exchange.status), family, "default") if key in responses), None
        )
        if declared is None:
            if exchange.status < 500:  # no platform promises how it breaks
                yield f"{where}: the specification knows no answer {exchange.status}"
            return
        content = self.schemas.resolve(declared).get("content", {})
        kind = exchange.answer_headers.get("content-type", "").partition(";")[0]
        if content and kind not in content and not (kind.endswith("json") and _any_json(content)):
            yield f"{where}: answers {exchange.status} with {', '.join(content)}, not {kind!r}"
        elif content:
            schema = content[kind if kind in content else _any_json(content)]["schema"]
            where, answer = f"{where} -> {exchange.status}", exchange.answer_json()
            if kind == "application/problem+json":
                yield from self._check_problem(exchange, schema, answer, where)
            else:
                yield from self.schemas.check(schema, answer, where)

    def _check_problem(self, exchange: Exchange, schema: Schema, answer: Any, where: str) -> Iterable[str]:
        """Check a problem document (RFC 9457): of the kinds listed, else by its members; it may have more."""
        kinds = self.schemas.resolve(schema).get("discriminator", {}).get("mapping", {})
        listed = kinds.get(answer.get("type"))
        yield from self.schemas.check({"$ref": listed} if listed else _PROBLEM, answer, where, is_open=True)
        if answer.get("status") != exchange.status:
            yield f"{where}: says that its status is {answer.get('status')}"


def _any_json(content: Schema) -> str:
    return next((name for name in content if name.endswith("json")), "")

"""Meta's own specification of its Graph API, from which it generates its SDKs: nodes, edges, parameters, fields.

A node's file lists its edges (`endpoint`), what it can be asked itself (`#get`, `#update`, `#delete`), and its
fields with their types. It writes edges without underscores where the address has them (mediapublish).
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tests.specs.exchanges import Exchange

Spec = dict[str, Any]

_ANYWHERE = {"access_token", "fields", "summary"}
_PAGING = {"limit", "after", "before", "since", "until"}
_WHOLE = {"int", "unsigned int", "integer", "timestamp"}


class MetaContract:
    """Some node types of a folder of Meta's specifications."""

    def __init__(
        self,
        folder: Path,
        *,
        account: str,
        objects: tuple[str, ...],
        calls: Mapping[str, str] = MappingProxyType({}),
        returns: Mapping[str, str] = MappingProxyType({}),
        outside: tuple[str, ...] = (),
    ) -> None:
        """Name the nodes behind `me`, behind other ids, and behind fixed words; and the files of return types."""
        self._outside = outside
        self._folder, self._account, self._objects = folder, account, objects
        self._calls, self._returns = dict(calls), dict(returns)
        self._read = cache(self._load)
        self._enums: dict[str, list[str]] = {
            item["name"]: item["values"] for item in self._load("enum_types") or ()
        }

    def _load(self, name: str) -> Any:
        file = self._folder / f"{name}.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None

    def check(self, exchange: Exchange) -> list[str]:
        if exchange.url.path.startswith(self._outside or ("//",)):
            return []
        node, _, edge = re.sub(r"^/v\d+\.\d+", "", exchange.url.path).strip("/").partition("/")
        if node in self._calls:
            candidates = [self._calls[node]]
        else:
            candidates = [self._account] if node == "me" else [self._account, *self._objects]
        if not node and "ids" in exchange.url.params:
            tries = [list(self._check_several(name, exchange)) for name in self._objects]
            return min(tries, key=len)
        # An id does not tell what it names: the request must fit one of the nodes it may be.
        tries = [list(self._check_as(name, exchange, edge)) for name in candidates]
        return min(tries, key=len)

    def _check_several(self, name: str, exchange: Exchange) -> Iterable[str]:
        """Check `GET /?ids=a,b&fields=..`, which answers {a: {..}, b: {..}}."""
        spec, where, sent = self._read(name), f"{exchange.method} {name} ?ids", dict(exchange.query)
        yield from (f"{where}: no parameter {unknown}" for unknown in sent.keys() - _ANYWHERE - {"ids"})
        yield from self._check_field_names(sent.get("fields", "id"), spec, where)
        answer = exchange.answer_json() if exchange.status is not None else {}
        if (exchange.status or 0) >= 400:
            yield from check_graph_error(answer, where)
            return
        for item in answer.values():
            yield from self._check_fields(spec, item, where)

    def _check_as(self, name: str, exchange: Exchange, edge: str) -> Iterable[str]:
        spec = self._read(name)
        verbs = {"GET": "#get", "POST": "#update", "DELETE": "#delete"}
        api = next(
            (
                item
                for item in spec["apis"]
                if item["method"] == exchange.method
                and (
                    item.get("endpoint", "").replace("_", "") == edge.replace("_", "")
                    if edge
                    else item.get("name") == verbs[exchange.method]
                )
            ),
            None,
        )
        where = f"{exchange.method} {name}/{edge}"
        if api is None:
            yield f"{where}: no such edge in the specification"
            # Whatever else fits cannot make up for it: the closest node is one that has the edge.
            yield from ("",) * 99
            return
        form = exchange.form() if exchange.method == "POST" and exchange.body else []
        sent = dict([*exchange.query, *form])
        yield from self._check_params(api, sent, exchange.method, where)
        answered = self._spec_of(api["return"]) if edge else spec
        if "fields" in sent and answered is not None:
            yield from self._check_field_names(sent["fields"], answered, where)
        yield from self._check_answer(exchange, answered, where, listed=bool(edge))

    def _check_params(self, api: Spec, sent: dict[str, Any], method: str, where: str) -> Iterable[str]:
        params = {item["name"]: item for item in api["params"]}
        allowed = _ANYWHERE | (_PAGING if method == "GET" and "endpoint" in api else set())
        for name, value in sent.items():
            if name in params:
                yield from self._check_text(params[name]["type"], value, f"{where} {name}")
            elif name not in allowed:
                yield f"{where}: no parameter {name} in the specification"
        for name, item in params.items():
            if item["required"] and name not in sent:
                yield f"{where}: the parameter {name} is missing"

    def _check_text(self, kind: str, value: Any, where: str) -> Iterable[str]:
        """Check a parameter, which always is text on the wire (or the bytes of a file)."""
        if isinstance(value, bytes):
            return
        if kind.startswith("list<"):
            items = json.loads(value) if value.startswith("[") else value.split(",")
            for item in items:
                text = item if isinstance(item, str) else json.dumps(item)
                yield from self._check_text(kind[5:-1], text, where)
        elif kind in self._enums and value not in self._enums[kind]:
            yield f"{where}: {value!r} is none of {', '.join(self._enums[kind])}"
        elif kind in _WHOLE and not value.isdigit():
            yield f"{where}: {value!r} is no whole number"
        elif kind == "bool" and value not in {"true", "false", "1", "0"}:
            yield f"{where}: {value!r} is neither true nor false"

    def _check_field_names(self, text: str, spec: Spec, where: str) -> Iterable[str]:
        fields = {item["name"]: item["type"] for item in spec["fields"]}
        edges = {
            item["endpoint"]: item["return"]
            for item in spec["apis"]
            if "endpoint" in item and item["method"] == "GET"
        }
        for name, inner in _split_fields(text):
            if name not in fields and name not in edges:
                yield f"{where}: no field {name} in the specification"
            elif inner:
                kind = self._spec_of(fields.get(name) or edges[name])
                if kind is not None:
                    yield from self._check_field_names(inner, kind, f"{where} {name}")

    def _check_answer(
        self, exchange: Exchange, spec: Spec | None, where: str, *, listed: bool
    ) -> Iterable[str]:
        if exchange.status is None:
            return
        where = f"{where} -> {exchange.status}"
        answer = exchange.answer_json()
        if exchange.status >= 400:
            yield from check_graph_error(answer, where)
        elif exchange.method != "GET":
            named = isinstance(answer.get("id"), str) or isinstance(answer.get("success"), bool)
            # The start of an upload answers with the id of the video that it will be.
            if not named and not any(isinstance(answer.get(name), str) for name in ("post_id", "video_id")):
                yield f"{where}: neither id nor success"
        elif listed:
            if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
                yield f"{where}: a list is in `data`"
            else:
                for item in answer["data"]:
                    yield from self._check_fields(spec, item, where)
        else:
            yield from self._check_fields(spec, answer, where)

    def _check_fields(self, spec: Spec | None, value: Any, where: str) -> Iterable[str]:
        if spec is None:
            return
        fields = {item["name"]: item["type"] for item in spec["fields"]}
        edges = {item.get("endpoint") for item in spec["apis"]}
        for name, item in value.items():
            if name in fields:
                yield from self._check_value(fields[name], item, f"{where} {name}")
            elif name not in edges:
                yield f"{where}: no field {name} in the specification"

    def _check_value(self, kind: str, value: Any, where: str) -> Iterable[str]:
        if kind.startswith("list<"):
            # An edge read as a field is wrapped as {data: [..]}.
            items = value.get("data") if isinstance(value, dict) else value
            if not isinstance(items, list):
                yield f"{where}: {value!r} is no list"
            else:
                for item in items:
                    yield from self._check_value(kind[5:-1], item, where)
            return
        spec = self._spec_of(kind)
        if spec is not None and isinstance(value, dict):
            yield from self._check_fields(spec, value, where)
        elif kind == "datetime":
            if not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is None:
                yield f"{where}: {value!r} is no time"
        else:
            python = {"string": str, "bool": bool, **dict.fromkeys(_WHOLE, int)}.get(kind, object)
            if not isinstance(value, python) or (python is int and isinstance(value, bool)):
                yield f"{where}: {value!r} is no {kind}"

    def _spec_of(self, kind: str) -> Spec | None:
        spec = self._read(self._returns.get(kind, kind)) if re.fullmatch(r"\w+", kind) else None
        return spec if isinstance(spec, dict) and "fields" in spec else None


def check_graph_error(answer: Any, where: str) -> list[str]:
    """Check the error object of all of Meta's APIs: {error: {message, type, code}}."""
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return [f"{where}: no error object"]
    kinds = {"message": str, "type": str, "code": int}
    return [f"{where}: error.{name} is {error.get(name)!r}" for name, kind in kinds.items()
            if not isinstance(error.get(name), kind)]  # fmt: skip


def _split_fields(text: str) -> Iterable[tuple[str, str]]:
    """Yield (name, inner fields) of `a,b{c,d},e.limit(5){f}`."""
    depth, start = 0, 0
    for index, char in enumerate(f"{text},"):
        depth += (char in "{(") - (char in "})")
        if char == "," and depth == 0:
            item, start = text[start:index], index + 1
            inner = re.search(r"\{(.*)\}$", item)
            yield re.split(r"[.{(]", item, maxsplit=1)[0], inner[1] if inner else ""

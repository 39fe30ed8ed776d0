"""Telegram's Bot API, as its page lists it: methods with fields, types with fields, unions in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.specs.exchanges import Exchange

_PYTHON = {"Integer": int, "String": str, "Boolean": bool, "Float": float, "True": bool}
_WORDS = {"true", "false"}


class BotApiContract:
    """The one document of the Bot API."""

    def __init__(self, file: Path) -> None:
        document = json.loads(file.read_text(encoding="utf-8"))
        self._methods: dict[str, Any] = document["methods"]
        self._types: dict[str, Any] = document["types"]

    def check(self, exchange: Exchange) -> list[str]:
        start, _, name = exchange.url.path.rpartition("/")
        method = self._methods.get(name)
        if method is None or not start.rpartition("/")[2].startswith("bot"):
            return [f"{exchange.method} .../{name}: no such method"]
        wrong = list(self._check_fields(method.get("fields", ()), self._read(exchange), name))
        if exchange.status is None:
            return wrong
        answer, where = exchange.answer_json(), f"{name} -> {exchange.status}"
        if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
            return [*wrong, f"{where}: no `ok`"]
        if not answer["ok"]:
            if not isinstance(answer.get("error_code"), int) or not isinstance(
                answer.get("description"), str
            ):
                wrong.append(f"{where}: an error has error_code and description")
            return wrong
        return wrong + list(self._check_any(method["returns"], answer.get("result"), where))

    def _read(self, exchange: Exchange) -> dict[str, Any]:
        if exchange.content_type == "application/json":
            return dict(exchange.json())
        return dict([*exchange.query, *(exchange.form() if exchange.body else ())])

    def _check_fields(self, fields: Any, value: dict[str, Any], where: str) -> Iterable[str]:
        known = {field["name"]: field for field in fields}
        for name, item in value.items():
            if name not in known:
                yield f"{where}: no field {name} in the specification"
            else:
                yield from self._check_any(known[name]["types"], item, f"{where} {name}")
        for name, field in known.items():
            if field["required"] and name not in value:
                yield f"{where}: the field {name} is missing"

    def _check_any(self, kinds: list[str], value: Any, where: str) -> Iterable[str]:
        tries = [list(self._check(kind, value, where)) for kind in kinds]
        yield from min(tries, key=len)

    def _check(self, kind: str, value: Any, where: str) -> Iterable[str]:
        if isinstance(value, bytes):
            if kind != "InputFile":
                yield f"{where}: a file is no {kind}"
        elif kind.startswith("Array of "):
            items = json.loads(value) if isinstance(value, str) else value
            if not isinstance(items, list):
                yield f"{where}: {value!r} is no list"
            else:
                for item in items:
                    yield from self._check(kind.removeprefix("Array of "), item, where)
        elif kind in _PYTHON:
            if not _is_a(kind, value):
                yield f"{where}: {value!r} is no {kind}"
        elif kind in self._types:
            yield from self._check_type(kind, value, where)

    def _check_type(self, kind: str, value: Any, where: str) -> Iterable[str]:
        declared = self._types[kind]
        value = json.loads(value) if isinstance(value, str) and value.startswith("{") else value
        if declared.get("subtypes"):
            yield from self._check_any(declared["subtypes"], value, where)
        elif not isinstance(value, dict):
            yield f"{where}: {value!r} is no {kind}"
        else:
            yield from self._check_fields(declared.get("fields", ()), value, where)


def _is_a(kind: str, value: Any) -> bool:
    wanted = _PYTHON[kind]
    if isinstance(value, str) and kind in {"Integer", "Boolean"}:
        # The fields of a form are text, whatever they say.
        value = json.loads(value) if value.lstrip("-").isdigit() or value in _WORDS else value
    return isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))

"""A Postman collection as a specification: its requests give paths and parameters, its examples the responses."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tests.specs.meta import check_graph_error

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.specs.exchanges import Exchange

Item = dict[str, Any]

_PAGING = {"limit", "after", "before", "since", "until"}


class PostmanContract:
    """One collection of a Graph API; `me` in its paths stands for the account's id too."""

    def __init__(self, file: Path) -> None:
        collection = json.loads(file.read_text(encoding="utf-8"))
        self._variables: dict[str, str] = {item["key"]: item["value"] for item in collection["variable"]}
        self._requests: dict[tuple[str, tuple[str, ...]], list[Item]] = {}
        for item in _walk(collection["item"]):
            request = item["request"]
            path = tuple(part for part in request["url"]["path"] if part)
            self._requests.setdefault((request["method"], path), []).append(item)

    def check(self, exchange: Exchange) -> list[str]:
        path = tuple(re.sub(r"^/v\d+\.\d+", "", exchange.url.path).strip("/").split("/"))
        fitting = [
            template
            for method, template in self._requests
            if method == exchange.method and _matches(template, path)
        ]
        # A word that the collection names is meant; only what it does not name is an id.
        most = max((_count_named(template, path) for template in fitting), default=0)
        items = [
            item
            for template in fitting
            if _count_named(template, path) == most
            for item in self._requests[exchange.method, template]
        ]
        if not items:
            return [f"{exchange.name}: no such request in the collection"]
        where = f"{exchange.method} {'/'.join(items[0]['request']['url']['path'])}"
        return [*self._check_parameters(exchange, items, where), *self._check_answer(exchange, items, where)]

    def _check_parameters(self, exchange: Exchange, items: list[Item], where: str) -> Iterable[str]:
        known: dict[str, set[str] | None] = dict.fromkeys({"access_token"} | _PAGING)
        for item in items:
            for parameter in item["request"]["url"].get("query", ()):
                values = self._values(parameter)
                if parameter["key"] in known and (known[parameter["key"]] is None or values is None):
                    known[parameter["key"]] = None
                else:
                    known[parameter["key"]] = (known.get(parameter["key"]) or set()) | (
                        values or set()
                    ) or None
        form = exchange.form() if exchange.method == "POST" and exchange.body else []
        for name, value in [*exchange.query, *form]:
            allowed = known.get(name)
            if name not in known:
                yield f"{where}: no parameter {name} in the collection"
            elif allowed is not None:
                for word in re.sub(r"\{.*?\}", "", value).split(","):
                    if word not in allowed:
                        yield f"{where} {name}: {word!r} is none of {', '.join(sorted(allowed))}"

    def _values(self, parameter: Item) -> set[str] | None:
        """Return the words a parameter may take where the collection lists them, None where any will do."""
        value = str(parameter.get("value") or "")
        variable = re.fullmatch(r"\{\{(\w+)\}\}", value)
        if variable:
            listed = re.sub(r"\{.*?\}", "", self._variables.get(variable[1], ""))
            return {word.strip() for word in listed.split(",")} if "," in listed else None
        return {value} if re.fullmatch(r"[A-Z_]{3,}|th_\w+", value) else None

    def _check_answer(self, exchange: Exchange, items: list[Item], where: str) -> Iterable[str]:
        if exchange.status is None:
            return
        where = f"{where} -> {exchange.status}"
        if exchange.status >= 400:
            yield from check_graph_error(exchange.answer_json(), where)
            return
        examples = [
            example for item in items for response in item.get("response", ()) for example in _read(response)
        ]
        if examples:
            tries = [list(_compare(example, exchange.answer_json(), where)) for example in examples]
            yield from min(tries, key=len)


def _walk(items: list[Item]) -> Iterable[Item]:
    for item in items:
        if "request" in item:
            yield item
        else:
            yield from _walk(item["item"])


def _matches(template: tuple[str, ...], path: tuple[str, ...]) -> bool:
    return len(template) == len(path) and all(
        "{{" in wanted or wanted == given or (wanted == "me" and given.isdigit())
        for wanted, given in zip(template, path, strict=True)
    )


def _count_named(template: tuple[str, ...], path: tuple[str, ...]) -> int:
    return sum(wanted == given for wanted, given in zip(template, path, strict=True))


def _read(response: Item) -> Iterable[Any]:
    try:
        yield json.loads(response.get("body") or "")
    except ValueError:
        return


def _compare(example: Any, answer: Any, where: str) -> Iterable[str]:
    """Yield where the answer's shape differs from the example's; an example need not show every field."""
    if isinstance(example, dict) and isinstance(answer, dict):
        for name in example.keys() & answer.keys():
            yield from _compare(example[name], answer[name], f"{where}/{name}")
        if example and answer and not example.keys() & answer.keys():
            yield f"{where}: {sorted(answer)} has nothing of {sorted(example)}"
    elif isinstance(example, list) and isinstance(answer, list):
        for item in answer if example else ():
            yield from min((list(_compare(shown, item, where)) for shown in example), key=len)
    elif _kind(example) is not _kind(answer):
        yield f"{where}: {answer!r} where the example has {example!r}"


def _kind(value: Any) -> type:
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)

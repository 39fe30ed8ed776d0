"""The AT Protocol's lexicons: parameters, inputs, outputs and records, with every length rule they state.

Source of the rules: atproto.com/specs/lexicon; strings are bounded in UTF-8 bytes and in graphemes.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import regex  # type: ignore[import-untyped]  # its stubs are a package of their own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.specs.exchanges import Exchange

Schema = dict[str, Any]

_DID = re.compile(r"did:[a-z]+:[A-Za-z0-9._:%-]*[A-Za-z0-9._-]")
_HANDLE = re.compile(
    r"([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
)
_NSID = re.compile(
    r"[a-zA-Z][a-zA-Z0-9-]{0,62}(\.[a-zA-Z0-9][a-zA-Z0-9-]{0,62})+(\.[a-zA-Z][a-zA-Z0-9]{0,62})"
)
_TID = re.compile(r"[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}")
_RECORD_KEY = re.compile(r"[A-Za-z0-9_~.:-]{1,512}")
_CID = re.compile(r"[a-zA-Z0-9+=]{8,256}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def _is_moment(value: str) -> bool:
    try:
        return bool(_MOMENT.fullmatch(value)) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_at_uri(value: str) -> bool:
    scheme, _, rest = value.partition("at://")
    who, *path = rest.split("/")
    return not scheme and _is_identifier(who) and len(path) in {0, 1, 2}


def _is_identifier(value: str) -> bool:
    return bool(_DID.fullmatch(value) or _HANDLE.fullmatch(value))


_FORMATS: dict[str, Callable[[str], object]] = {
    "at-identifier": _is_identifier,
    "at-uri": _is_at_uri,
    "cid": _CID.fullmatch,
    "datetime": _is_moment,
    "did": _DID.fullmatch,
    "handle": _HANDLE.fullmatch,
    "nsid": _NSID.fullmatch,
    "record-key": _RECORD_KEY.fullmatch,
    "tid": _TID.fullmatch,
    "uri": re.compile(r"[a-z][a-z0-9.+-]*:\S+", re.IGNORECASE).fullmatch,
    "language": re.compile(r"[a-zA-Z]{2,3}(-[a-zA-Z0-9]+)*").fullmatch,
}
_PYTHON = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "blob": dict}


class LexiconContract:
    """A folder of lexicons."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read = cache(self._load)

    def _load(self, nsid: str) -> Schema | None:
        file = self._folder / f"{nsid.replace('.', '/')}.json"
        return dict(json.loads(file.read_text(encoding="utf-8"))["defs"]) if file.exists() else None

    def check(self, exchange: Exchange) -> list[str]:
        nsid = exchange.url.path.removeprefix("/xrpc/")
        defs = self._read(nsid)
        if defs is None or not exchange.url.path.startswith("/xrpc/"):
            return [f"{exchange.name}: no such lexicon"]
        main = defs["main"]
        method = {"query": "GET", "procedure": "POST"}.get(main["type"])
        wrong = [] if exchange.method == method else [f"{exchange.name}: a {main['type']} takes {method}"]
        wrong += self._check_parameters(exchange, main.get("parameters"), nsid)
        wrong += self._check_input(exchange, main.get("input"), nsid)
        return wrong + list(self._check_output(exchange, main, nsid))

    def check_record(self, record: Any) -> list[str]:
        """Check a record against the lexicon that its $type names."""
        nsid = str(record.get("$type"))
        defs = self._read(nsid)
        if defs is None or defs["main"]["type"] != "record":
            return [f"record: {nsid} is no record type"]
        return list(self._check(defs["main"]["record"], record, nsid, f"record {nsid}"))

    def _check_parameters(self, exchange: Exchange, declared: Schema | None, nsid: str) -> Iterable[str]:
        properties = (declared or {}).get("properties", {})
        sent: dict[str, list[str]] = {}
        for name, value in exchange.query:
            sent.setdefault(name, []).append(value)
        for name in (declared or {}).get("required", ()):
            if name not in sent:
                yield f"{nsid}: the parameter {name} is missing"
        for name, values in sent.items():
            where = f"{nsid} ?{name}"
            if name not in properties:
                yield f"{where}: no such parameter"
            elif properties[name]["type"] == "array":
                items = [_coerce(properties[name]["items"], value) for value in values]
                yield from self._check(properties[name], items, nsid, where)
            elif len(values) > 1:
                yield f"{where}: given {len(values)} times"
            else:
                yield from self._check(properties[name], _coerce(properties[name], values[0]), nsid, where)

    def _check_input(self, exchange: Exchange, declared: Schema | None, nsid: str) -> Iterable[str]:
        if declared is None:
            if exchange.body:
                yield f"{nsid}: takes no body"
            return
        encoding = declared["encoding"]
        if encoding == "*/*":
            if "/" not in exchange.content_type:
                yield f"{nsid}: a blob needs its content type"
        elif exchange.content_type != encoding:
            yield f"{nsid}: takes {encoding}, not {exchange.content_type!r}"
        elif "schema" in declared:
            body = exchange.json()
            yield from self._check(declared["schema"], body, nsid, f"{nsid} input")
            if "record" in body:
                yield from self.check_record(body["record"])

    def _check_output(self, exchange: Exchange, main: Schema, nsid: str) -> Iterable[str]:
        if exchange.status is None:
            return
        if exchange.status >= 400:
            answer = exchange.answer_json()
            if not isinstance(answer.get("error"), str) or " " in answer["error"]:
                yield f"{nsid} -> {exchange.status}: an error has a name: {answer!r}"
            return
        output = main.get("output")
        if output is not None and "schema" in output:
            answer = exchange.answer_json()
            yield from self._check(output["schema"], answer, nsid, f"{nsid} -> {exchange.status}")
            for record in self._find_records(answer):
                yield from self.check_record(record)

    def _find_records(self, node: Any) -> Iterable[Schema]:
        """Yield whatever in the answer names a record type: the lexicons call its place `unknown`."""
        if isinstance(node, dict):
            named = node.get("$type")
            defs = self._read(named) if isinstance(named, str) and "#" not in named else None
            if defs is not None and defs["main"]["type"] == "record":
                yield node
            else:
                for item in node.values():
                    yield from self._find_records(item)
        elif isinstance(node, list):
            for item in node:
                yield from self._find_records(item)

    def _check(self, schema: Schema, value: Any, home: str, where: str) -> Iterable[str]:
        kind = schema["type"]
        if kind == "ref":
            home, schema = self._resolve(schema["ref"], home)
            yield from self._check(schema, value, home, where)
        elif kind == "union":
            yield from self._check_union(schema, value, home, where)
        elif kind in _PYTHON:
            if not isinstance(value, _PYTHON[kind]) or (kind == "integer" and isinstance(value, bool)):
                yield f"{where}: {value!r} is no {kind}"
            elif kind == "object":
                yield from self._check_object(schema, value, home, where)
            elif kind == "array":
                yield from self._check_array(schema, value, home, where)
            else:
                yield from _SCALARS[kind](schema, value, where)

    def _check_object(self, schema: Schema, value: Schema, home: str, where: str) -> Iterable[str]:
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{where}: {name} is missing"
        properties, nullable = schema.get("properties", {}), schema.get("nullable", ())
        for name, item in value.items():
            if name in properties:
                if not (item is None and name in nullable):
                    yield from self._check(properties[name], item, home, f"{where}/{name}")
            elif name != "$type":
                yield f"{where}/{name}: no such name in the lexicon"

    def _check_array(self, schema: Schema, value: list[Any], home: str, where: str) -> Iterable[str]:
        yield from _check_bounds(schema, len(value), where, ("minLength", "maxLength"), "items")
        for index, item in enumerate(value):
            yield from self._check(schema["items"], item, home, f"{where}/{index}")

    def _check_union(self, schema: Schema, value: Any, home: str, where: str) -> Iterable[str]:
        named = value.get("$type") if isinstance(value, dict) else None
        if named is None:
            yield f"{where}: a member of a union names its $type"
            return
        refs = [ref for ref in schema["refs"] if _absolute(ref, home).removesuffix("#main") == named]
        if refs:
            yield from self._check({"type": "ref", "ref": refs[0]}, value, home, where)
        else:
            # An open union admits strangers, yet whoever writes one here meant one of those listed.
            yield f"{where}: {named} is not in the union"

    def _resolve(self, ref: str, home: str) -> tuple[str, Schema]:
        nsid, _, name = _absolute(ref, home).partition("#")
        defs = self._read(nsid)
        return nsid, {"type": "unknown"} if defs is None else defs[name or "main"]


def _check_string(schema: Schema, value: str, where: str) -> Iterable[str]:
    yield from _check_bounds(schema, len(value.encode()), where, ("minLength", "maxLength"), "bytes")
    graphemes = len(regex.findall(r"\X", value))
    yield from _check_bounds(schema, graphemes, where, ("minGraphemes", "maxGraphemes"), "graphemes")
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is none of {schema['enum']}"
    if "format" in schema and not _FORMATS[schema["format"]](value):
        yield f"{where}: {value!r} is no {schema['format']}"


def _check_integer(schema: Schema, value: int, where: str) -> Iterable[str]:
    yield from _check_bounds(schema, value, where, ("minimum", "maximum"), "")


def _check_boolean(schema: Schema, value: object, where: str) -> Iterable[str]:
    if "const" in schema and value is not schema["const"]:
        yield f"{where}: must be {schema['const']}"


def _check_blob(schema: Schema, value: Schema, where: str) -> Iterable[str]:
    if value.get("$type") != "blob" or not str(value.get("ref", {}).get("$link", "")):
        yield f"{where}: is no blob: {value!r}"
        return
    yield from _check_bounds({"max": schema.get("maxSize")}, value["size"], where, ("min", "max"), "bytes")
    accepted = schema.get("accept", ["*/*"])
    if not any(re.fullmatch(kind.replace("*", ".*"), value["mimeType"]) for kind in accepted):
        yield f"{where}: takes {accepted}, not {value['mimeType']}"


def _check_bounds(schema: Schema, size: int, where: str, names: tuple[str, str], unit: str) -> Iterable[str]:
    low, high = names
    if schema.get(low) is not None and size < schema[low]:
        yield f"{where}: {size} {unit}, at least {schema[low]}"
    if schema.get(high) is not None and size > schema[high]:
        yield f"{where}: {size} {unit}, at most {schema[high]}"


_SCALARS: dict[str, Callable[[Schema, Any, str], Iterable[str]]] = {
    "string": _check_string,
    "integer": _check_integer,
    "boolean": _check_boolean,
    "blob": _check_blob,
}


def _coerce(schema: Schema, text: str) -> object:
    if schema["type"] == "integer":
        return int(text) if text.removeprefix("-").isdigit() else text
    if schema["type"] == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text


def _absolute(ref: str, home: str) -> str:
    return f"{home}{ref}" if ref.startswith("#") else ref

"""JSON Schema as used by OpenAPI 3.0 and discovery documents, made strict about undeclared names."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import jsonschema

Schema = dict[str, Any]


def _formats(*, naive_times: bool) -> jsonschema.FormatChecker:
    checker = jsonschema.FormatChecker(formats=())

    @checker.checks("date-time", raises=ValueError)
    def _is_moment(value: object) -> bool:
        if not isinstance(value, str):
            return True
        return datetime.fromisoformat(value).tzinfo is not None or naive_times

    @checker.checks("date", raises=ValueError)
    def _is_date(value: object) -> bool:
        return not isinstance(value, str) or bool(date.fromisoformat(value))

    @checker.checks("uri")
    def _is_address(value: object) -> bool:
        return not isinstance(value, str) or "://" in value

    return checker


class Schemas:
    """The schemas of one document; `refs` lead into it as in `#/components/schemas/Post`."""

    def __init__(self, document: Schema, *, exclusive: bool = True, naive_times: bool = False) -> None:
        """`exclusive` False reads oneOf as anyOf, for documents that do not mean it.

        `naive_times`: a date-time may lack its zone, though RFC 3339 does not allow it.
        """
        self._exclusive = exclusive
        self._formats = _formats(naive_times=naive_times)
        self.document = modernise(document, exclusive=exclusive)

    def check(self, schema: Schema, value: object, where: str, *, is_open: bool = False) -> list[str]:
        """Return what is wrong with `value`, and (unless open) the names in it that the schema does not know."""
        schema = self._choose(modernise(schema, exclusive=self._exclusive), value)
        whole = {**schema, **{name: part for name, part in self.document.items() if name not in schema}}
        validator = jsonschema.Draft202012Validator(whole, format_checker=self._formats)
        wrong = [
            f"{where}{_at(error.absolute_path)}: {error.message[:300]}"
            for error in validator.iter_errors(value)
        ]
        return wrong if is_open else wrong + self._find_undeclared([schema], value, where)

    def resolve(self, schema: Schema) -> Schema:
        """Follow $ref."""
        while "$ref" in schema:
            node: Any = self.document
            for name in schema["$ref"].removeprefix("#/").split("/"):
                node = node[name.replace("~1", "/").replace("~0", "~")]
            schema = node
        return schema

    def flatten(self, schema: Schema) -> list[Schema]:
        """Return the schema and all that allOf, anyOf, oneOf bring in."""
        schema = self.resolve(schema)
        more = [item for name in ("allOf", "anyOf", "oneOf") for item in schema.get(name, ())]
        return [schema, *(found for item in more for found in self.flatten(item))]

    def kinds(self, schema: Schema) -> set[str]:
        """Return every type that the schema names."""
        named = [part.get("type") for part in self.flatten(schema)]
        return {kind for item in named for kind in (item if isinstance(item, list) else [item]) if kind}

    def coerce(self, schema: Schema, text: str) -> object:
        """Read a query value or form field as the type that its schema wants; the text where it is none."""
        kinds = self.kinds(schema)
        if "boolean" in kinds and text in {"true", "false"}:
            return text == "true"
        if kinds & {"integer", "number"} and "string" not in kinds:
            try:
                return int(text) if "integer" in kinds else float(text)
            except ValueError:
                return text
        return text

    def _choose(self, schema: Schema, value: object) -> Schema:
        """Add what a discriminator says of this value, where its document lists no oneOf."""
        found = self.resolve(schema)
        choice = found.get("discriminator", {})
        if "oneOf" in found or "anyOf" in found or not isinstance(value, dict):
            return schema
        named = choice.get("mapping", {}).get(value.get(choice.get("propertyName")))
        return {"allOf": [schema, {"$ref": named}]} if named else schema

    def _find_undeclared(self, schemas: list[Schema], value: object, where: str) -> list[str]:
        flat = [part for schema in schemas for part in self.flatten(schema)]
        if isinstance(value, list):
            items = [part["items"] for part in flat if "items" in part]
            return [
                problem
                for index, item in enumerate(value)
                for problem in self._find_undeclared(items, item, f"{where}/{index}")
            ]
        declared: dict[str, list[Schema]] = {}
        for part in flat:
            for name, schema in part.get("properties", {}).items():
                declared.setdefault(name, []).append(schema)
        if not isinstance(value, dict) or not declared:
            return []
        is_open = any(part.get("additionalProperties") not in (None, False) for part in flat)
        return [
            problem
            for name, item in value.items()
            for problem in (
                self._find_undeclared(declared[name], item, f"{where}/{name}")
                if name in declared
                else []
                if is_open
                else [f"{where}/{name}: no such name in the specification"]
            )
        ]


def modernise(node: Any, *, exclusive: bool = True) -> Any:
    """Rewrite OpenAPI 3.0's dialect as JSON Schema 2020-12: nullable, boolean exclusiveMinimum, free objects."""
    if isinstance(node, list):
        return [modernise(item, exclusive=exclusive) for item in node]
    if not isinstance(node, dict):
        return node
    made = {name: modernise(item, exclusive=exclusive) for name, item in node.items()}
    if not exclusive and isinstance(made.get("oneOf"), list):
        made["anyOf"] = made.get("anyOf", []) + made.pop("oneOf")
    for bound in ("exclusiveMinimum", "exclusiveMaximum"):
        if made.get(bound) is True:
            made[bound] = made.pop(bound.replace("exclusiveM", "m"))
        elif made.get(bound) is False:
            del made[bound]
    if made.pop("nullable", None) is True:
        if isinstance(made.get("enum"), list) and None not in made["enum"]:
            made["enum"] = [*made["enum"], None]
        if isinstance(made.get("type"), str):
            return {**made, "type": [made["type"], "null"]}
        made = {"anyOf": [made, {"type": "null"}]}
    return made


def _at(path: Any) -> str:
    return "".join(f"/{part}" for part in path)

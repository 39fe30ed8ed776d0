"""Read options written as text, PLATFORM.NAME=VALUE: on the command line and in the columns of a CSV file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from connectors.capabilities import get_capabilities
from connectors.options import MediaOptions
from warehouse.errors import InvalidInputError
from warehouse.platforms import parse_platform

if TYPE_CHECKING:
    from collections.abc import Mapping

ALL_PLATFORMS = "media"
"""The name of the options for all platforms: media.fit."""
_BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}
_WHOLE = re.compile(r"-?[0-9]{1,15}")


def add_option(options: dict[str, Any], path: str, text: str) -> None:
    """Add one option to `options`: path "youtube.privacy", text "unlisted"; or "media.fit", "true".

    A list is written with commas (tea,coffee) or as JSON, an object as JSON or by its parts (mastodon.poll.choices).
    The value itself is checked where the post is planned. Raises InvalidInputError for an unknown name.
    """
    steps = [step.strip() for step in path.split(".")]
    if len(steps) < 2 or not all(steps):
        raise InvalidInputError(
            f"{path!r} is not the name of an option: write PLATFORM.NAME, such as youtube.privacy",
            field="options",
            code="unknown_option",
        )
    if steps[0].lower() == ALL_PLATFORMS:
        name, root = ALL_PLATFORMS, MediaOptions.model_json_schema()
    else:
        platform = parse_platform(steps[0], field="options")
        name, root = platform.value, get_capabilities(platform).options.model_json_schema()
    schema: Mapping[str, Any] = root
    place = options.setdefault(name, {})
    for depth, step in enumerate(steps[1:], start=1):
        known = schema.get("properties", {})
        if step not in known:
            pointer = "/".join(["options", name, *steps[1 : depth + 1]])
            raise InvalidInputError(
                f"{'.'.join(steps[: depth + 1])} is not an option: use {', '.join(known) or 'JSON'}",
                field=pointer,
                code="unknown_option",
            )
        schema = _resolve(known[step], root)
        if depth == len(steps) - 1:
            place[step] = _read(schema, text, root)
        else:
            place = place.setdefault(step, {})


def _resolve(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema without references and without the choice "or null"."""
    if "anyOf" in schema:
        given = [one for one in schema["anyOf"] if one.get("type") != "null"]
        schema = given[0] if len(given) == 1 else {"anyOf": given}
    if "$ref" in schema:
        found: Mapping[str, Any] = root["$defs"][schema["$ref"].rpartition("/")[2]]
        return found
    return schema


def _read(schema: Mapping[str, Any], text: str, root: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Return the text as a JSON value of the schema's type; text that is not of the type stays text."""
    if "anyOf" in schema:  # a word, or a list of words
        words = [one for one in schema["anyOf"] if "enum" in one or "const" in one]
        if any(text in one.get("enum", [one.get("const")]) for one in words):
            return text
        schema = schema["anyOf"][-1]
    kind = schema.get("type")
    if kind in {"array", "object"} and text.lstrip()[:1] in {"[", "{"}:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return text
    if kind == "array":
        items = _resolve(schema.get("items", {}), root)
        return [_read(items, item.strip(), root) for item in text.split(",") if item.strip()]
    if kind == "boolean":
        return _BOOLEANS.get(text.strip().lower(), text)
    numeric = kind == "integer" or any(isinstance(one, int) for one in schema.get("enum", ()))
    return int(text) if numeric and _WHOLE.fullmatch(text.strip()) else text

"""Base of all input models, shared field types, and conversion of validation errors.

An input model defines fields, types and lengths. HTTP bodies, rows of a file and command-line options are parsed with
the same models, so that each field is defined once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from warehouse.errors import InvalidShapeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PlatformName = Annotated[str, Field(max_length=40, examples=["twitter"])]
AccountId = Annotated[str, Field(max_length=40)]
Zone = Annotated[str, Field(max_length=64, description="IANA zone for times without offset.")]

_MOST_PROBLEMS = 50


class Shape(BaseModel):
    """Base of all input models. Unknown fields are refused, because they are usually typos."""

    model_config = ConfigDict(extra="forbid")


AnyShape = TypeVar("AnyShape", bound=Shape)


def read_shape(shape: type[AnyShape], fields: object) -> AnyShape:
    """Parse `fields` (a mapping of JSON values) into a model.

    Raises InvalidShapeError (code invalid_request) with one entry per invalid field.
    """
    try:
        return shape.model_validate(fields)
    except ValidationError as error:
        entries = [describe_problem(item, item["loc"]) for item in error.errors()[:_MOST_PROBLEMS]]
        raise InvalidShapeError.from_entries(entries) from None


def describe_problem(item: Mapping[str, Any], path: Sequence[object]) -> dict[str, Any]:
    """Convert one pydantic error to an entry of InvalidInputError; `path` is the path of the field."""
    pointer = "".join(f"/{escape_step(step)}" for step in path)
    message = str(item["msg"]).removeprefix("Value error, ")
    return {"pointer": pointer, "code": str(item["type"]), "detail": message}


def escape_step(step: object) -> str:
    """Escape one step of a JSON pointer (RFC 6901)."""
    return str(step).replace("~", "~0").replace("/", "~1")

"""Shapes of input: the base of all request models, field types that several share, and errors in plain words.

A shape says which fields there are, of which type and length. HTTP bodies, rows of a file and command-line options are
read by the same shapes, so that a field is defined once.
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
    """Base of all input models: an unknown field is refused, since it is a typing error."""

    model_config = ConfigDict(extra="forbid")


AnyShape = TypeVar("AnyShape", bound=Shape)


def read_shape(shape: type[AnyShape], fields: object) -> AnyShape:
    """Return `fields` (a mapping as JSON has it) as a model.

    Raises InvalidShapeError (code invalid_request) with one entry for each wrong field.
    """
    try:
        return shape.model_validate(fields)
    except ValidationError as error:
        entries = [describe_problem(item, item["loc"]) for item in error.errors()[:_MOST_PROBLEMS]]
        raise InvalidShapeError.from_entries(entries) from None


def describe_problem(item: Mapping[str, Any], path: Sequence[object]) -> dict[str, Any]:
    """Return one of pydantic's errors as an entry of InvalidInputError; `path` leads to the field."""
    pointer = "".join(f"/{escape_step(step)}" for step in path)
    message = str(item["msg"]).removeprefix("Value error, ")
    return {"pointer": pointer, "code": str(item["type"]), "detail": message}


def escape_step(step: object) -> str:
    """Escape one step of a JSON pointer (RFC 6901)."""
    return str(step).replace("~", "~0").replace("/", "~1")

"""Input models of a new queue slot and of a change to one."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field

from warehouse.shapes import Shape


def _refuse_other_than_numbers(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("give a whole number")  # noqa: TRY004 (pydantic reports a ValueError as a field error)
    return value


# An integer as defined by JSON Schema: 3 and 3.0, but neither "3" nor true. The bounds come before the validator.
Weekday = Annotated[
    int, Field(ge=0, le=6, description="0 = Monday."), BeforeValidator(_refuse_other_than_numbers)
]
TimeOfDay = Annotated[
    str, Field(max_length=8, description="HH:MM in the account's zone.", examples=["09:30"])
]


class QueueSlotCreate(Shape):
    """A new slot."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"weekday": 0, "time": "09:30"}})

    weekday: Weekday
    time: TimeOfDay


class QueueSlotPatch(Shape):
    """Changes to a slot; omitted fields stay unchanged."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"time": "10:00"}})

    weekday: Weekday | None = None
    time: TimeOfDay | None = None

"""Parse platform names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.types import Platform
from warehouse.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable


def parse_platform(name: str, *, field: str = "platform") -> Platform:
    """Return the platform `name`. Raises InvalidInputError with the list of known names."""
    try:
        return Platform.parse(name)
    except ValueError as error:
        raise InvalidInputError(str(error), field=field, code="unknown_platform") from None


def parse_platforms(names: Iterable[str], *, field: str = "platforms") -> list[Platform]:
    """Return the distinct platforms. Raises InvalidInputError with the position of an unknown name."""
    found: dict[Platform, None] = {}
    for number, name in enumerate(names):
        found[parse_platform(name, field=f"{field}/{number}")] = None
    return list(found)

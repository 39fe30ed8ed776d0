"""Arguments that several commands take."""

from __future__ import annotations

from connectors.types import Platform
from warehouse.errors import InvalidInputError


def parse_platform(name: str) -> Platform:
    """Return the platform called so. Raises InvalidInputError with the list of names."""
    try:
        return Platform.parse(name)
    except ValueError as error:
        raise InvalidInputError(str(error), field="platform") from None

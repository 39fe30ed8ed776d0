"""Ask the API's own rules, in a process of its own: this room does not import the API's, it names it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from warehouse.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Collection


def ask_api_rules(module: str, *arguments: str, field: str, answered: Collection[int] = (0,)) -> Any:  # noqa: ANN401 (JSON)
    """Run one of the API's modules and return the JSON that it prints.

    Raises InvalidInputError with its own words where its exit code is not one of `answered`.
    """
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own module, a list)
    if done.returncode not in answered or not done.stdout:
        lines = done.stderr.strip().splitlines()
        raise InvalidInputError(lines[-1] if lines else f"{module} gave no answer", field=field)
    return json.loads(done.stdout)

"""The application in a process of its own, with a log, 80 MB smaller: `uvicorn --factory api.serve:create_app`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI


def create_app() -> FastAPI:
    """Return the application by the environment's settings.

    DuckDB imports pandas (and pandas PyArrow) with the first statement that has parameters, only to recognise its
    values among them. Where there is no pandas it does without; the API hands it none and reads no frame.
    """
    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]  # None = cannot be imported, by Python's own rule
    from api.app import create_app as create  # noqa: PLC0415 (only now may anything import DuckDB)
    from api.http.logs import configure_logging  # noqa: PLC0415 (same)

    configure_logging()
    return create()

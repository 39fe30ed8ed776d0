"""`python -m flows.cli`: run the `socialflow` command without the installed script."""

from __future__ import annotations

from flows.cli import app

app()

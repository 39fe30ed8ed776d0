"""`python -m flows.cli`: the `socialflow` command without its script."""

from __future__ import annotations

from flows.cli import app

app()

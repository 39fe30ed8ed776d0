"""The API's process, as the launcher starts it: `python -m flows.api_process`.

The API is named by string: this package does not import it.
"""

from __future__ import annotations

import sys

import uvicorn

from flows.settings import FlowSettings


def main() -> None:
    """Serve the API until ended."""
    # DuckDB's client imports pandas, NumPy and Arrow with the first statement that has a parameter, only to see
    # whether the parameter is one of theirs: 80 MB and a second in the first request. It does well without.
    sys.modules["pandas"] = None  # type: ignore[assignment]  # Python's own way to say "not importable"
    settings = FlowSettings()
    uvicorn.run(
        "api.app:create_app",
        factory=True,
        host=settings.api_host,
        port=settings.api_port,
        access_log=False,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()

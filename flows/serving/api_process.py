"""The API's process, as the launcher starts it: `python -m flows.serving.api_process`.

The API is named by string: this package does not import it.
"""

from __future__ import annotations

import uvicorn

from flows.serving.impatient_http import ImpatientProtocol
from flows.settings import FlowSettings


def main() -> None:
    """Serve the API until ended."""
    settings = FlowSettings()
    uvicorn.run(
        "api.serve:create_app",
        factory=True,
        host=settings.api_host,
        port=settings.api_port,
        http=ImpatientProtocol,
        ws="none",
        access_log=False,
        # Off unless asked for: whoever may write X-Forwarded-For has as many addresses as it likes.
        proxy_headers=bool(settings.api_trusted_proxies),
        forwarded_allow_ips=settings.api_trusted_proxies,
        # The API writes its own log, with the id of the request in every line.
        log_config=None,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()

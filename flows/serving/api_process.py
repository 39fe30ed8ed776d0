"""The API process, as the launcher starts it: `python -m flows.serving.api_process`.

The API is referenced by its import string: this package does not import it.
"""

from __future__ import annotations

import uvicorn

from flows.serving.impatient_http import ImpatientProtocol
from flows.settings import FlowSettings


def main() -> None:
    """Serve the API until stopped."""
    settings = FlowSettings()
    uvicorn.run(
        "api.serve:create_app",
        factory=True,
        host=settings.api_host,
        port=settings.api_port,
        http=ImpatientProtocol,
        ws="none",
        access_log=False,
        # Off by default: a client that may set X-Forwarded-For can pretend to have any address.
        proxy_headers=bool(settings.api_trusted_proxies),
        forwarded_allow_ips=settings.api_trusted_proxies,
        # The API writes its own access log, with the request id on every line.
        log_config=None,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()

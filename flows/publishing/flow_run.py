"""Start a flow run that publishes: `python -m flows.publishing.flow_run`, the command of prefect.yaml's work pool.

It is Prefect's own engine, which takes the run from the environment. Only the command line differs: whoever looks for
the processes that publish, to stop or to watch them, finds `publish` in it.
"""

from __future__ import annotations

import runpy

if __name__ == "__main__":
    runpy.run_module("prefect.engine", run_name="__main__", alter_sys=True)

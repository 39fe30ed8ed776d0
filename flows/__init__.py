"""Background work and command line: Prefect flows, the publisher, the processes of `socialflow up`, the CLI.

No other package imports it.
"""

from warehouse.process import set_up_process

set_up_process()

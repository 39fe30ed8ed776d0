"""What every process of SocialFlow sets before it imports anything large.

Python looks for garbage among the young objects after each 700 new ones, and twice among all of them when a process
ends. Imports make a million objects and next to no garbage, and at the end the system frees all memory anyway. Measured
with Python 3.11: importing the API and ending took 2.2 s of CPU and takes 1.3 s; `import flows.cli.posts.commands` 1.2
and 0.8 s.

OpenBLAS divides even small matrices among all cores, whose threads wait for each other: on a busy machine with two
cores, one solve of 168 slots took 14 ms of CPU and takes 0.2 ms. The timing run uses all cores by itself.
"""

from __future__ import annotations

import atexit
import gc
import os

YOUNG_OBJECTS = 50_000
"""New objects after which the young ones are looked through: a few megabytes."""
BLAS_THREADS = "OPENBLAS_NUM_THREADS"
"""OpenBLAS reads this variable when NumPy is imported."""


def set_up_process() -> None:
    """Look for garbage less often, and not at the end; one thread for OpenBLAS, unless the environment says more."""
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
    # What else is to be done at exit is done as always.
    atexit.register(gc.freeze)
    atexit.register(gc.disable)
    os.environ.setdefault(BLAS_THREADS, "1")

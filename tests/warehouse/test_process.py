"""A process that ends does not look through all its objects, and what is registered for its end is still done."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
import atexit, gc, os, sys
import flows
from warehouse.process import YOUNG_OBJECTS

class Circle:
    def __init__(self):
        self.own = self
    def __del__(self):
        print("found")

assert gc.get_threshold()[0] == YOUNG_OBJECTS and gc.isenabled()
circle = Circle()
del circle
gc.collect()
kept = Circle()
del kept
atexit.register(print, "done", os.environ["OPENBLAS_NUM_THREADS"], "numpy" in sys.modules)
"""


def test_a_process_ends_without_a_look_at_all_objects() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    for given, threads in (({}, "1"), ({"OPENBLAS_NUM_THREADS": "3"}, "3")):
        ran = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=environment | given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.stdout.split("\n"), ran.stderr) == (["found", f"done {threads} False", ""], "")

"""`python -m tests.hostile.run`: the whole corpus, then random changes of it until the time is up; prints a report."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.hostile.bombs import attack_by_servers
from tests.hostile.corpus import all_cases, mutations
from tests.hostile.target import Report, running_target


def main() -> int:
    """Attack an API process for the given minutes. Returns 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    seed = secrets.randbelow(10**6) if arguments.seed is None else arguments.seed
    report = Report()
    with TemporaryDirectory(prefix="socialflow-hostile-") as folder:
        (Path(folder) / "servers").mkdir()
        with running_target(Path(folder)) as target:
            target.attack(all_cases(target), report)
            print("\n".join(report.lines()))
            print(f"the corpus is through; random changes with --seed {seed}", flush=True)
            target.attack(mutations(target, seed), report, until=time.monotonic() + arguments.minutes * 60)
        attack_by_servers(Path(folder) / "servers", report)
    print("\n".join(report.lines()))
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())

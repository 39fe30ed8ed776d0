"""`python -m tests.audit`: licences and known vulnerabilities of the run-time packages.

Ends with 0 if both are in order, 1 if a vulnerability is known or a licence needs a look, 2 if vulnerabilities could
not be checked: that is no pass.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
TOOL = ROOT / ".venv" / "audit" / "bin" / "pip-audit"
"""Installed by `make audit`, in an environment of its own."""
UNKNOWN = "unknown"
SECONDS = 300
_COPYLEFT = re.compile(r"(?<!lesser )\b(A?GPL|GNU (Affero )?General Public)", re.IGNORECASE)


@dataclass(frozen=True)
class Licence:
    """A package of the lock, and the licence that it declares."""

    package: str
    name: str

    @property
    def needs_a_look(self) -> bool:
        """Whether a person has to read it: none declared, or one that asks for our source."""
        # "MIT OR GPL-2.0": one of them is enough.
        alternatives = re.split(r"\bOR\b", self.name)
        return self.name == UNKNOWN or all(_COPYLEFT.search(one) for one in alternatives)


def locked_packages(lock: Path = LOCK) -> list[Requirement]:
    """Return the packages of the lock that belong on this machine."""
    lines = lock.read_text().replace("\\\n", " ").splitlines()
    found = [Requirement(line.split("--hash")[0].strip()) for line in lines if re.match(r"[A-Za-z0-9]", line)]
    return [one for one in found if one.marker is None or one.marker.evaluate()]


def read_licence(package: str) -> str:
    """Return the licence that an installed package declares, in the newest of the three forms there are."""
    try:
        declared = metadata(package)
    except PackageNotFoundError:
        return "not installed here"
    if expression := declared.get("License-Expression"):
        return str(expression)
    classifiers = [
        value.rpartition(" :: ")[2]
        for value in declared.get_all("Classifier") or ()
        if value.startswith("License :: ") and not value.endswith("OSI Approved")
    ]
    if classifiers:
        return " OR ".join(classifiers)
    first = (declared.get("License") or "").strip().partition("\n")[0].strip()
    return first[:60] or UNKNOWN


def report_licences(lock: Path = LOCK) -> list[Licence]:
    """Print the packages of each licence. Returns those that need a look."""
    found = [
        Licence(f"{one.name} {one.specifier}".replace("==", ""), read_licence(one.name))
        for one in locked_packages(lock)
    ]
    grouped: dict[str, list[str]] = defaultdict(list)
    for one in found:
        grouped[one.name].append(one.package)
    print(f"Licences of {len(found)} run-time packages ({lock.name}):")
    for name, packages in sorted(grouped.items(), key=lambda item: (-len(item[1]), item[0])):
        print(f"  {name}: {', '.join(packages)}")
    doubtful = [one for one in found if one.needs_a_look]
    print(
        f"Licences that need a look: {', '.join(f'{one.package} ({one.name})' for one in doubtful) or 'none'}"
    )
    return doubtful


def report_vulnerabilities(tool: Path = TOOL, lock: Path = LOCK) -> bool | None:
    """Ask an advisory source about the lock. Returns whether it is clean; None = no source could be asked."""
    if not tool.exists():
        print("Known vulnerabilities: NOT CHECKED. pip-audit could not be installed (no network?).")
        return None
    with TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [
            tool,
            "--requirement",
            lock,
            "--disable-pip",
            "--require-hashes",
            "--progress-spinner",
            "off",
        ]
        try:
            done = subprocess.run(
                [*command, "--timeout", "15", "--format", "json", "--output", answer],
                capture_output=True, text=True, timeout=SECONDS, check=False,
            )  # fmt: skip
            said = done.stderr.strip().splitlines()
        except subprocess.TimeoutExpired:
            said = [f"no answer in {SECONDS} s"]
        if not answer.exists():
            print(
                f"Known vulnerabilities: NOT CHECKED. No advisory source was reached: {(said or ['no reason'])[-1]}"
            )
            return None
        packages = json.loads(answer.read_text())["dependencies"]
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    known = [(one["name"], one["version"], found) for one in packages for found in one.get("vulns", ())]
    for name, version, found in known:
        print(
            f"  {name} {version}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'no version'}"
        )
    print(
        f"Known vulnerabilities: {len(known)} in {len(packages)} packages; not known to the source: {len(skipped)}"
    )
    return not known


def main() -> int:
    """Print both reports."""
    doubtful = report_licences()
    clean = report_vulnerabilities()
    if clean is False or doubtful:
        return 1
    return 2 if clean is None else 0


if __name__ == "__main__":
    sys.exit(main())

"""Architecture rules: import contracts, the lock file, the documentation of settings."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

import api.settings
import connectors.settings
import connectors.webhooks.settings
import flows.notifications.settings
import flows.publishing.settings
import flows.settings
import warehouse.settings
from connectors.types import Platform

ROOT = Path(__file__).parent.parent
PACKAGES = ("api", "connectors", "flows", "warehouse")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_import_rules_hold() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def _pins(lock: str) -> set[tuple[str, str, frozenset[str]]]:
    """Return name, version and hashes of each package of a lock file: NumPy has one version for each Python."""
    text = (ROOT / lock).read_text()
    entries = re.findall(r"^([a-z0-9._-]+)==([^ ;]+)(.*(?:\n    --hash=sha256:.*)+)", text, re.MULTILINE)
    return {
        (name, version, frozenset(re.findall("sha256:([0-9a-f]{64})", rest)))
        for name, version, rest in entries
    }


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("requirements.lock", ["install"]),
        ("requirements-dev.lock", ["install", "dev"]),
        ("requirements-bench.lock", ["install", "dev", "bench"]),
    ],
)
def test_lock_pins_every_direct_dependency_with_hashes(lock: str, extras: list[str]) -> None:
    optional = PROJECT["optional-dependencies"]
    direct = PROJECT["dependencies"] + [requirement for extra in extras for requirement in optional[extra]]
    pinned = {name for name, _version, _hashes in _pins(lock)}
    missing = [name for name in map(_package_name, direct) if name not in pinned]
    assert not missing, f"not pinned with a hash in {lock}: run `make lock`"


@pytest.mark.parametrize(
    ("below", "above"),
    [("requirements.lock", "requirements-dev.lock"), ("requirements-dev.lock", "requirements-bench.lock")],
)
def test_each_lock_adds_to_the_one_below_and_changes_nothing_in_it(below: str, above: str) -> None:
    changed = {name for name, _version, _hashes in _pins(below) - _pins(above)}
    assert not changed, f"{above} has another version than {below}: run `make lock`"


@pytest.mark.parametrize("lock", sorted(path.name for path in ROOT.glob("requirements*.lock")))
def test_lock_names_no_index(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert "--index-url" not in text


def test_the_product_imports_nothing_that_only_the_development_lock_installs() -> None:
    """`make demo` and `make up` install requirements.lock alone."""
    installed = {name for name, _version, _hashes in _pins("requirements.lock")}
    owners = importlib.metadata.packages_distributions()
    foreign: dict[str, set[str]] = {}
    for module in (module for package in PACKAGES for module in (ROOT / package).rglob("*.py")):
        for name in _imported_packages(module) - set(PACKAGES) - sys.stdlib_module_names:
            if installed.isdisjoint(map(_package_name, owners.get(name, ()))):
                foreign.setdefault(name, set()).add(str(module.relative_to(ROOT)))
    assert not foreign


def test_the_makefile_takes_the_pythons_of_the_project() -> None:
    lower, upper = re.findall(r"3\.(\d+)", PROJECT["requires-python"])
    takes = re.search(r"\(3, (\d+)\) <= v <= \(3, (\d+)\)", (ROOT / "Makefile").read_text())
    assert takes
    assert (int(takes[1]), int(takes[2]) + 1) == (int(lower), int(upper))


def _package_name(requirement: str) -> str:
    return re.split(r"[\[<>=~! ]", requirement)[0].lower().replace("_", "-")


def _imported_packages(module: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def _settings_classes() -> list[type[BaseSettings]]:
    modules = (
        api.settings,
        connectors.settings,
        connectors.webhooks.settings,
        flows.notifications.settings,
        flows.publishing.settings,
        flows.settings,
        warehouse.settings,
    )
    return [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BaseSettings) and value is not BaseSettings
    ]


def test_env_example_is_complete() -> None:
    documented = set(
        re.findall(r"^#? ?(SOCIALFLOW_[A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    )
    declared = {
        f"{cls.model_config['env_prefix']}{name}".upper()
        for cls in _settings_classes()
        for name in cls.model_fields
    }
    assert documented == declared


@pytest.mark.parametrize("platform", Platform)
def test_a_platform_is_one_folder(platform: str) -> None:
    folder = ROOT / "connectors" / platform
    assert {"__init__.py", "capabilities.py", "connector.py"} <= {path.name for path in folder.iterdir()}
    assert not [path.name for path in folder.iterdir() if path.stem.startswith(platform)]


def _folders() -> list[str]:
    return sorted(
        str(path.parent.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("__init__.py")
        if "versions" not in path.parts
    )


@pytest.mark.parametrize("folder", _folders())
def test_a_folder_says_what_it_is_for_and_holds_one_subject(folder: str) -> None:
    docstring = ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text()))
    assert docstring, f"{folder}/__init__.py says what the folder is for and who may import it"
    assert len(list((ROOT / folder).glob("*.py"))) <= 30, f"{folder} holds several subjects"


@pytest.mark.parametrize("package", PACKAGES)
def test_names_say_what_is_inside(package: str) -> None:
    vague = [p for p in (ROOT / package).rglob("*.py") if re.search(r"utils?|helpers?|manager", p.stem)]
    assert vague == []

"""The house rules that a program can check: import contracts, the lock, the settings' documentation."""

from __future__ import annotations

import ast
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
import flows.publishing.settings
import flows.settings
import warehouse.settings
from connectors.types import Platform

ROOT = Path(__file__).parent.parent
PACKAGES = ("api", "connectors", "flows", "warehouse")
LOCK = (ROOT / "requirements.lock").read_text()


def test_import_rules_hold() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_lock_pins_every_direct_dependency_with_hashes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct = project["dependencies"] + project["optional-dependencies"]["dev"]
    for requirement in direct:
        name = re.split(r"[\[<>=~! ]", requirement)[0].lower()
        entry = re.search(rf"^{re.escape(name)}==\S+.*\\\n\s+--hash=sha256:", LOCK, re.MULTILINE)
        assert entry, f"{name} is not pinned with a hash in requirements.lock: run `make lock`"


def test_lock_names_no_index() -> None:
    assert "://" not in LOCK
    assert "--index-url" not in LOCK


def _settings_classes() -> list[type[BaseSettings]]:
    modules = (
        api.settings,
        connectors.settings,
        connectors.webhooks.settings,
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

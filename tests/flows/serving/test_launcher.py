"""One launcher per home, reserved ports, and an environment isolated from the user's Prefect."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from flows.errors import AlreadyRunningError, PortInUseError
from flows.serving.launcher import PUBLISHERS, build_specs, hold_home
from flows.serving.ports import Ports, take_ports
from flows.serving.prefect_environment import child_environment
from flows.settings import FlowSettings
from warehouse.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_home_is_held_once(tmp_path: Path) -> None:
    with hold_home(tmp_path / "home"):
        with pytest.raises(AlreadyRunningError, match="already runs on"), hold_home(tmp_path / "home"):
            pass
        with hold_home(tmp_path / "other"):
            pass
    with hold_home(tmp_path / "home"):
        pass


def test_a_home_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("no folder")
    with pytest.raises(SetupError, match="cannot use SOCIALFLOW_HOME"), hold_home(tmp_path / "home"):
        pass


def test_a_port_in_use_names_port_and_setting() -> None:
    with Ports() as probe:
        free = probe.take_any()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with (
            Ports() as ports,
            pytest.raises(PortInUseError, match=rf"port {taken} .* set SOCIALFLOW_API_PORT"),
        ):
            take_ports(ports, FlowSettings(api_port=taken, prefect_port=free))
        with (
            Ports() as ports,
            pytest.raises(PortInUseError, match=rf"port {taken} .* SOCIALFLOW_PREFECT_PORT"),
        ):
            take_ports(ports, FlowSettings(api_port=free, prefect_port=taken))


def test_one_port_for_two_parts_is_refused() -> None:
    with Ports() as probe:
        free = probe.take_any()
    with Ports() as ports, pytest.raises(PortInUseError, match="SOCIALFLOW_PREFECT_PORT"):
        take_ports(ports, FlowSettings(api_port=free, prefect_port=free))


def test_two_launchers_never_choose_the_same_port_before_anything_listens_there() -> None:
    with Ports() as one, Ports() as two:
        port = one.take_any()
        assert not two.take("127.0.0.1", port)
        one.close()
        assert two.take("127.0.0.1", port)


def test_an_address_of_another_machine_is_one_sentence() -> None:
    with Ports() as ports, pytest.raises(SetupError, match="cannot listen on"):
        ports.take("192.0.2.1", 8000)
    with Ports() as ports, pytest.raises(SetupError, match="not an address to listen on"):
        ports.take("no such host.invalid", 8000)


def test_nothing_of_the_users_own_prefect_reaches_the_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "https://api.prefect.cloud/mine")
    monkeypatch.setenv("PREFECT_API_KEY", "mine")
    monkeypatch.setenv("PREFECT_PROFILE", "mine")
    environment = child_environment(tmp_path, FlowSettings(prefect_port=4999))
    assert environment["PREFECT_API_URL"] == "http://127.0.0.1:4999/api"
    assert "mine" not in environment.values()
    assert environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    for name in ("PREFECT_HOME", "PREFECT_PROFILES_PATH", "TMPDIR", "SOCIALFLOW_HOME"):
        assert environment[name].startswith(str(tmp_path)), name


def test_the_sandbox_is_started_for_the_demo_alone(tmp_path: Path) -> None:
    plain = {spec.name: spec for spec in build_specs(tmp_path, FlowSettings())}
    demo = {spec.name: spec for spec in build_specs(tmp_path, FlowSettings(), with_sandbox=True)}
    assert set(plain) == {*PUBLISHERS, "api", "prefect-server", "runner"}
    assert set(demo) == {*plain, "sandbox"}
    assert "SOCIALFLOW_TWITTER_BASE_URL" not in plain["api"].env
    assert demo["runner"].env["SOCIALFLOW_TWITTER_BASE_URL"] == FlowSettings().sandbox_url


def test_stopping_everything_takes_less_than_fifteen_seconds_at_worst(tmp_path: Path) -> None:
    specs = build_specs(tmp_path, FlowSettings(), with_sandbox=True)
    # Those that stop first do so while the others are asked one after the other.
    together = max(spec.stop_seconds for spec in specs if spec.stop_first)
    one_by_one = sum(spec.stop_seconds for spec in specs if not spec.stop_first)
    assert max(together, one_by_one) < 15


def test_publishers_start_first_wait_for_nothing_and_are_known_by_a_word(tmp_path: Path) -> None:
    specs = build_specs(tmp_path, FlowSettings())
    assert [spec.name for spec in specs][:2] == list(PUBLISHERS)
    for spec in specs[:2]:
        assert spec.after == ()
        assert "publish" in spec.command[2]
        assert spec.ready_file is not None
    assert specs[0].ready_file != specs[1].ready_file
    assert not any("publish" in spec.command[2] for spec in specs[2:])

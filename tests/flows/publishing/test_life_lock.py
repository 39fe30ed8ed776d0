"""Detection that a publisher has ended: certain for processes of this machine, unknown for all others."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from flows.publishing.life_lock import LifeLock, make_owner

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import sys
from pathlib import Path
from flows.publishing.life_lock import LifeLock, make_owner
owner = make_owner()
lock = LifeLock(Path(sys.argv[1]), owner)
lock.acquire()
print(owner, flush=True)
sys.stdin.read()
"""


def test_a_killed_process_is_known_to_be_dead_and_a_live_one_is_not(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    owner = process.stdout.readline().strip()
    looker = LifeLock(tmp_path, make_owner())
    try:
        assert looker.find_dead([owner]) == []
        assert looker.find_dead([owner]) == []  # the look itself leaves the lock alone
    finally:
        process.kill()
        process.communicate()
    assert looker.find_dead([owner]) == [owner]
    looker.forget([owner])
    assert looker.find_dead([owner]) == []


def test_nothing_is_concluded_about_other_machines_other_homes_and_itself(tmp_path: Path) -> None:
    owner = make_owner()
    lock = LifeLock(tmp_path, owner)
    lock.acquire()
    elsewhere = "another-host:1:abc"
    (tmp_path / "another-host_1_abc.lock").touch()
    of_another_home = make_owner()
    assert lock.find_dead([owner, elsewhere, of_another_home]) == []
    lock.release()


def test_a_released_lock_says_the_end_until_it_is_noted(tmp_path: Path) -> None:
    first, second = make_owner(), make_owner()
    lock = LifeLock(tmp_path, first)
    lock.acquire()
    lock.release()
    assert LifeLock(tmp_path, second).find_dead([first]) == [first]


def test_lease_names_differ_and_fit_into_the_store() -> None:
    assert make_owner() != make_owner()
    assert len(make_owner()) <= 80

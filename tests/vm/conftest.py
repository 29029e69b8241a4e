# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests on virtual machines share."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import typing as t
from pathlib import Path

import pytest

from tests.conftest import REPORT_KEY
from tests.lab.process import wait_for
from tests.vm import files, left_out
from tests.vm.controller import stopping_collection
from tests.vm.debian import DebianStates
from tests.vm.guest import Guest
from tests.vm.states import States


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Who asks for one file alone gets it."""
    if not files() <= {item.path.stem for item in items}:
        return
    other = [item for item in items if item.path.stem in left_out()]
    config.hook.pytest_deselected(items=other)
    items[:] = [item for item in items if item not in other]


@pytest.fixture(scope="session")
def vm_directory() -> t.Iterator[Path]:
    # Not pytest's own: sockets lie below it, and their names must fit into 108 bytes
    directory = Path(tempfile.mkdtemp(prefix="ovm-", dir="/var/tmp"))
    yield directory
    wait_for(lambda: _removed(directory), f"{directory} to be free", 15, 0.5)


def _removed(directory: Path) -> bool:
    shutil.rmtree(directory, ignore_errors=True)
    return not directory.exists()


@pytest.fixture(scope="session")
def collections(vm_directory: Path) -> Path:
    return stopping_collection(vm_directory / "c")


@pytest.fixture(scope="session")
def manual(vm_directory: Path, collections: Path) -> States:
    return States(vm_directory / "manual", collections, "manual")


@pytest.fixture(scope="session")
def automatic(vm_directory: Path, collections: Path) -> States:
    return States(vm_directory / "auto", collections, "automatic")


@pytest.fixture(scope="session")
def debian(vm_directory: Path, collections: Path) -> DebianStates:
    return DebianStates(vm_directory / "deb", collections)


MakeGuest = t.Callable[..., Guest]


@pytest.fixture
def make_guest(request: pytest.FixtureRequest) -> t.Iterator[MakeGuest]:
    """``make_guest(states, name, filesystem)``: a machine that goes on from a state, and ends with the test."""
    made: list[Guest] = []

    def make(states: States, name: str, filesystem: str) -> Guest:
        guest = states.guest(name, filesystem)
        made.append(guest)
        guest.on()
        return guest

    yield make
    report = request.node.stash.get(REPORT_KEY, {}).get("call")
    for guest in made:
        if report is not None and report.failed:
            print(f"--- console of {guest.machine.directory}\n{guest.machine.console[-6000:]}")
        guest.machine.close()
        guest.abandon()


@pytest.fixture(scope="session", autouse=True)
def _machine_can_do_it() -> None:
    for program in ("qemu-system-x86_64", "qemu-img", "grub-mkimage", "grub-fstest", "mcopy", "mkfs.vfat"):
        assert shutil.which(program, path="/usr/bin:/usr/sbin:/bin:/sbin"), f"{program} is missing: make setup"
    assert subprocess.run(["qemu-system-x86_64", "-version"], capture_output=True, check=False).returncode == 0

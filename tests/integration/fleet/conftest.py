# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller and its fleet."""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.fleet.runs import Controller
from tests.lab import Host, Lab

Fleet = Callable[..., list[Host]]


@pytest.fixture
def controller(lab: Lab, tmp_path: Path) -> Controller:
    return Controller(lab, tmp_path)


@pytest.fixture
def make_fleet(make_host: Callable[..., Host]) -> Fleet:
    """``make_fleet(3, release="v2")``: running hosts that follow this release; ``backup`` with a backup pair."""

    def make(count: int, release: str = "v2", **options: t.Any) -> list[Host]:
        hosts = [make_host(f"h{number}", start=False, **options) for number in range(1, count + 1)]
        with ThreadPoolExecutor(max_workers=4) as workers:
            list(workers.map(lambda host: host.start(), hosts))
        for host in hosts:
            host.release(release)
        return hosts

    return make

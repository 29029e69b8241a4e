# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import multiprocessing
import os
import signal
import typing as t
from multiprocessing.connection import Connection

from ansible_collections.overc.system.plugins.plugin_utils.orphan import is_orphan

_FORK: t.Final = multiprocessing.get_context("fork")


def _worker(say: Connection) -> None:
    os.setsid()
    # Asked before anything is said: what hears it kills the parent at once
    parent = os.getppid()
    say.send((os.getpid(), is_orphan()))
    while os.getppid() == parent:
        signal.sigtimedwait([], 0.01)
    say.send((os.getpid(), is_orphan()))


def _controller(say: Connection) -> None:
    _FORK.Process(target=_worker, args=(say,)).start()
    signal.pause()


def test_a_worker_outlives_its_controller_and_knows() -> None:
    hear, say = _FORK.Pipe(duplex=False)
    controller = _FORK.Process(target=_controller, args=(say,))
    controller.start()
    assert hear.poll(30)
    worker, orphan = hear.recv()
    assert not orphan
    assert controller.pid is not None
    os.kill(controller.pid, signal.SIGKILL)
    controller.join()
    assert hear.poll(30)
    assert hear.recv() == (worker, True)


def test_a_process_of_its_own_is_no_orphan() -> None:
    assert not is_orphan()

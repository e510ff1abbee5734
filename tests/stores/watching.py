# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of programs share: whether a value can be seen from outside while a program runs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread


def seen_from_outside(value: str, work: Callable[[], object], running: Path) -> list[str]:
    """Do the work, and say which arguments or environments of processes hold the value meanwhile.

    :param running: A file that a program of the work writes when it runs; it is looked at until the work is done.
    """
    worker = Thread(target=work)
    worker.start()
    found: list[str] = []
    looked = 0
    deadline = time.monotonic() + 20
    while worker.is_alive() and time.monotonic() < deadline:
        if running.exists():
            looked += 1
            found += _look(value.encode())
        time.sleep(0.02)
    worker.join(20)
    assert looked, "no program was running when this test looked"
    return found


def _look(value: bytes) -> list[str]:
    found = []
    for process in filter(str.isdigit, os.listdir("/proc")):
        for what in ("cmdline", "environ"):
            try:
                entries = Path("/proc", process, what).read_bytes().split(b"\0")
                # The name of a test that runs beside this one may have its arguments in it.
                if any(value in entry for entry in entries if not entry.startswith(b"PYTEST_CURRENT_TEST=")):
                    found.append(f"{what} of process {process}")
            except OSError:
                pass  # it has ended
    return found

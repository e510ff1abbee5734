# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waits that take a fraction of their time, for tests of what happens after them."""

from __future__ import annotations

import time

import pytest

FASTER = 20


@pytest.fixture
def quick_waits(monkeypatch: pytest.MonkeyPatch) -> int:
    """Back-off and settling pass this many times faster, on a clock that runs faster as well."""

    # Not importable yet when pytest loads this file.
    from ansible_collections.community.honeycomb.plugins.module_utils._http import pacing as _pacing
    from ansible_collections.community.honeycomb.plugins.module_utils._http import transport as _transport

    def budget(max_wait: float) -> _pacing.WaitBudget:
        return _pacing.WaitBudget(
            max_wait, clock=lambda: time.monotonic() * FASTER, sleep=lambda seconds: time.sleep(seconds / FASTER)
        )

    monkeypatch.setattr(_transport, "WaitBudget", budget)
    return FASTER

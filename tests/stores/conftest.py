# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of the tests of stores: they need no simulator."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# The same examples everywhere, on machines of any speed, and no files left behind.
settings.register_profile(
    "stores", database=None, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("stores")

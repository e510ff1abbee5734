# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A simulator of Honeycomb's key management and event intake, for tests, demonstrations and experiments.

It keeps everything in memory, speaks real HTTP on a loopback address, and is as strict as the real service is known
to be; ``api.yaml`` describes what is known. ``Simulator`` is the whole public interface; ``python -m simulator`` starts
one by hand.
"""

from __future__ import annotations

from .core import Simulator
from .faults import Fault
from .records import Environment, Key

__all__ = ["Environment", "Fault", "Key", "Simulator"]

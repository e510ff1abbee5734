# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A callback that keeps what Ansible packs for a module from one run of the tests' playbooks to the next.

Ansible keeps these payloads, which hold a module and its module_utils but no arguments, for the time of one run. To
pack one anew in each run took longer than to execute it. They are as old as the copy of the collection that they are
made of: one test session.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: payloads
type: aggregate
short_description: Keeps the payloads of modules for the next run
description:
  - Takes them from the folder that the environment variable E(HONEYCOMB_TEST_PAYLOADS) names, and adds new ones to it.
author:
  - Contributors to the community.honeycomb collection
"""


def copy_new(source: Path, destination: Path) -> None:
    """Copy the payloads that ``destination`` does not have, each in one step: other runs read and write there too."""
    for path in source.glob("*"):
        if not path.name.endswith((".lock", ".part")) and not (destination / path.name).exists():
            part = destination / f"{path.name}.{os.getpid()}.part"
            shutil.copyfile(path, part)
            part.replace(destination / path.name)


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "payloads"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._kept = Path(os.environ["HONEYCOMB_TEST_PAYLOADS"])
        # Where ansible-core has them; the folder is this run's own, and goes away with it.
        self._own = Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache")

    def v2_playbook_on_start(self, playbook: Any) -> None:
        self._own.mkdir(exist_ok=True)
        copy_new(self._kept, self._own)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        copy_new(self._own, self._kept)

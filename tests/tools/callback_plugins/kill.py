# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A callback that kills the controller before a task, the one whose number HONEYCOMB_TEST_KILL_AT gives."""

from __future__ import annotations

import os
import signal
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: kill
type: notification
short_description: Kills the controller before a task
description:
  - Sends SIGKILL to ansible-playbook before the task with the number in the environment variable
    E(HONEYCOMB_TEST_KILL_AT).
author:
  - Contributors to the community.honeycomb collection
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "kill"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._left = int(os.environ["HONEYCOMB_TEST_KILL_AT"])

    def v2_playbook_on_task_start(self, task: Any, is_conditional: Any) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

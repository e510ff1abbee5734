# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A callback that writes each task result as a line of JSON to the file that HONEYCOMB_TEST_RECORD names."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: record
type: notification
short_description: Records task results for the tests
description:
  - Writes each task result as a line of JSON to the file that the environment variable E(HONEYCOMB_TEST_RECORD) names.
author:
  - Contributors to the community.honeycomb collection
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "record"
    CALLBACK_NEEDS_ENABLED = True

    def _write(self, **record: Any) -> None:
        with open(os.environ["HONEYCOMB_TEST_RECORD"], "a", encoding="utf-8") as file:
            file.write(json.dumps(record, default=str) + "\n")

    def _record(self, status: Any, result: Any, ignore_errors: Any = False) -> None:
        task = result._task
        self._write(
            task=task.get_name(),
            action=task.action,
            host=result._host.get_name(),
            status=status,
            ignored=bool(ignore_errors),
            result=result._result,
        )

    def v2_runner_on_ok(self, result: Any) -> None:
        self._record("changed" if result._result.get("changed") else "ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: Any = False) -> None:
        self._record("failed", result, ignore_errors)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._record("skipped", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._record("unreachable", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._write(stats={host: stats.summarize(host) for host in stats.processed})

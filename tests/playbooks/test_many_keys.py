# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook of the guide about many keys, when things go wrong. test_guides.py runs it when they go well."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from simulator import Simulator
from tools.workspace import ROOT

GUIDE = ROOT / "docs" / "docsite" / "rst" / "guide_many_keys.rst"


def playbook(folder: Any) -> Any:
    """The playbook as the guide shows it, with eleven services, which is quicker."""
    block = re.search(r"^   # services\.yml\n((?:\n|   .*\n)+)", GUIDE.read_text(), re.MULTILINE).group(1)
    block = re.sub(r"^ *- name: svc-[d-r].*\n", "", block, flags=re.MULTILINE)
    path = folder / "services.yml"
    path.write_text("---\n" + textwrap.dedent(block))
    return path


def test_many_services_when_a_part_fails(sim: Simulator, run_playbook: Callable[..., Any], tmp_path: Path) -> None:
    path = playbook(tmp_path)
    # The answer to one creation is lost, and another one is refused.
    sim.fail("createApiKey", effect="reset", after=True, nth=3)
    sim.fail("createApiKey", status=422, shape="jsonapi", nth=6)
    failed = run_playbook(path, verbosity=3, diff=True, expect_rc=2)

    def values() -> dict[Any, Any]:
        return {file.stem: file.read_text() for file in (tmp_path / "keys").glob("*.key")}

    def keys() -> dict[Any, Any]:
        """But for what the lost answer has left: it is marked, and was never enabled."""
        left = [key for key in sim.keys() if "[stale " in key.name]
        assert len(left) == 1 and left[0].disabled
        return {key.name: key.value for key in sim.keys() if key not in left}

    def accepted(value: Any) -> Any:
        return requests.get(f"{sim.url}/1/auth", headers={"X-Honeycomb-Team": value}, timeout=5).ok

    shown = failed.task("Create and update the keys of the list, and store their values")["result"]["failed_items"]
    assert len(shown) == 1 and shown[0]["name"] not in keys()
    assert len(keys()) == 10
    assert values() == {name: value for name, value in keys().items() if accepted(value)}
    assert not [secret for secret in sim.issued_secrets() if secret in failed.output]

    done = run_playbook(path, verbosity=3, diff=True)
    assert "Callback dispatch" not in done.output, "the diff can't be shown"
    assert len(keys()) == 11
    assert values() == {name: value for name, value in keys().items() if accepted(value)}
    # The value of a disabled key waits until the key is enabled.
    assert set(keys()) - set(values()) == {"svc-shipping"}
    assert keys()["svc-shipping"] in (tmp_path / "keys" / "svc-shipping.key.pending").read_text()
    assert not [secret for secret in sim.issued_secrets() if secret in done.output]

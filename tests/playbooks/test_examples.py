# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every example in the documentation of every module and lookup runs as it stands, and shows no secret.

A new plugin is found by itself. PREPARATIONS makes what its examples take for granted.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from simulator import Simulator

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = {
    path.stem: path for kind in ("modules", "lookup") for path in sorted((ROOT / "plugins" / kind).glob("[!_]*.py"))
}


def prepare_info(sim: Any, _folder: Any) -> None:
    sim.add_key("old", "ingest", "production", created=sim.now() - timedelta(days=91))


def prepare_auth(sim: Any, folder: Any) -> None:
    (folder / "checkout.key").write_text(sim.add_key("checkout", "ingest", "production").value + "\n")


def prepare_keys(sim: Any, _folder: Any) -> None:
    sim.add_key("legacy", "ingest", "production")
    sim.add_key("svc-forgotten", "ingest", "staging")


def prepare_rotation(sim: Any, _folder: Any) -> None:
    yesterday = sim.now() - timedelta(days=1)
    sim.add_key("checkout", "ingest", "production", created=sim.now() - timedelta(days=31))
    sim.add_key(
        f"billing [retired {yesterday:%Y%m%dT%H%M%SZ} off]", "ingest", "production", disabled=True, updated=yesterday
    )
    sim.add_key("billing", "ingest", "production", created=yesterday)


def prepare_environment(sim: Any, _folder: Any) -> None:
    sim.add_environment("Team Sandbox")


def prepare_lookup(sim: Any, folder: Any) -> None:
    (folder / "production").mkdir()
    (folder / "production" / "checkout.key").write_text(sim.add_key("checkout", "ingest", "production").value)


PREPARATIONS = {
    "honeycomb_api_key_info": prepare_info,
    "honeycomb_auth_info": prepare_auth,
    "honeycomb_api_keys": prepare_keys,
    "honeycomb_api_key_rotation": prepare_rotation,
    "honeycomb_environment": prepare_environment,
    "stored_key": prepare_lookup,
}


def read_examples(plugin: Any) -> Any:
    text = PLUGINS[plugin].read_text()
    return yaml.safe_load(re.search(r'^EXAMPLES = r?"""(.*?)^"""', text, re.MULTILINE | re.DOTALL).group(1))


def make_play(plugin: Any, sim: Any, folder: Any) -> dict[str, Any]:
    """The examples of one plugin against a simulator of their own, with credentials for the whole action group."""
    key_id, secret = sim.management
    credentials = {"management_key_id": key_id, "management_key_secret": secret, "api_url": sim.url}
    return {
        "name": plugin,
        "hosts": plugin,
        "connection": "local",
        "gather_facts": False,
        "module_defaults": {"group/community.honeycomb.honeycomb": credentials},
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}", "key_directory": str(folder)},
        "tasks": read_examples(plugin),
    }


def test_examples_of_plugins(run_playbook: Callable[..., Any], tmp_path: Path) -> None:
    """All in one playbook, which is quicker: a host and a simulator for each plugin."""
    plays, simulators = [], {}
    with contextlib.ExitStack() as stack:
        for plugin in PLUGINS:
            folder = tmp_path / f"keys-{plugin}"
            folder.mkdir()
            sim = simulators[plugin] = stack.enter_context(Simulator())
            PREPARATIONS.get(plugin, lambda *_unused: None)(sim, folder)
            plays.append(make_play(plugin, sim, folder))
        result = run_playbook(
            "---\n" + yaml.safe_dump(plays, sort_keys=False, width=1000),
            inventory=",".join(PLUGINS) + ",",
            verbosity=3,
            diff=True,
            expect_rc=None,
            # What comes with the environment would hide what is wrong with the action group.
            env=dict.fromkeys(simulators[next(iter(PLUGINS))].environment_variables(), ""),
        )
        failures = {task["host"]: task["result"].get("msg") for task in result.tasks if task["status"] == "failed"}
        assert not failures
        assert result.rc == 0
        done = {(task["host"], task["task"]) for task in result.tasks if task["status"] in ("ok", "changed")}
        assert done == {(plugin, task["name"]) for plugin in PLUGINS for task in read_examples(plugin)}
        secrets = [secret for sim in simulators.values() for secret in sim.issued_secrets()]
        assert len(secrets) > 5
        assert not [secret for secret in secrets if secret in result.output]

# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What unit tests and playbook tests share: a simulator, and real runs of modules and playbooks against it."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tools.workspace import CACHE, ROOT, clean_environment, stage

# Nothing of the user's may reach a test, wherever pytest was started from.
_clean = clean_environment(os.environ["HOME"])
for _name in set(os.environ) - set(_clean):
    del os.environ[_name]
os.environ.update(_clean)


def _link_working_tree() -> Path:
    """Return a collections path that leads to the working tree, whatever the name of its folder."""
    link = CACHE / "working-tree" / "ansible_collections" / "community" / "honeycomb"
    target = os.path.relpath(ROOT, link.parent)
    if not link.is_symlink() or os.readlink(link) != target:
        link.parent.mkdir(parents=True, exist_ok=True)
        # Put in place at once: several test processes may start together.
        fresh = link.with_name(f"{link.name}.{os.getpid()}")
        fresh.symlink_to(target)
        fresh.replace(link)
    return CACHE / "working-tree"


# pytest-ansible takes it from here, when all conftest files are loaded.
os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(_link_working_tree())


# The beginnings of the names of tests that take long, the longest first
LONG = ("tests/playbooks/test_rotation_survives", "tests/playbooks/test_guides", "tests/playbooks/")


def pytest_configure(config: pytest.Config) -> None:
    """Let a process that has nothing left to do take tests from another one."""
    if config.getoption("dist", "no") == "load":
        config.option.dist = "worksteal"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are processors, since many tests wait for something most of their time."""
    return 1 + (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the long ones, so that no process is left alone with one of them at the end."""

    def rank(item: pytest.Item) -> int:
        return next((number for number, start in enumerate(LONG) if item.nodeid.startswith(start)), len(LONG))

    if hasattr(config, "workerinput"):
        items.sort(key=rank)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show what tests recorded with ``record_property("told", ...)``, from whatever process they ran in."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    lines = [
        value
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == "told"
    ]
    if lines:
        terminalreporter.section("told by tests")
        for line in lines:
            terminalreporter.write_line(line)


# Runs a module as Ansible would, with its arguments from standard input. Since 2.19, ansible-core wants a profile too.
MODULE_DRIVER = """
import runpy, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
basic._ANSIBLE_PROFILE = "legacy"
runpy.run_module("ansible_collections.community.honeycomb.plugins.modules." + sys.argv[1],
                 run_name="__main__", alter_sys=True)
"""


@dataclass
class PlaybookResult:
    """How a run of ansible-playbook ended."""

    rc: int
    stdout: str
    stderr: str
    # One record for each task and host, in order: task, action, host, result (dict), ignored (bool),
    # status (ok, changed, failed, skipped or unreachable)
    tasks: list[dict[str, Any]]
    # {host: {"ok": n, "changed": n, "failures": n, "unreachable": n, "skipped": n, "rescued": n, "ignored": n}}
    stats: dict[str, dict[str, int]]

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    def task(self, name: str) -> dict[str, Any]:
        """Return the last record of the task whose name is, or ends with, ``name`` (a role's name stands before it)."""
        found = [task for task in self.tasks if task["task"] == name or task["task"].endswith(" : " + name)]
        assert found, f"no task {name!r} among {[task['task'] for task in self.tasks]}"
        return found[-1]


class ModuleResult(dict):
    """What a module returned; ``output`` holds everything that it printed."""

    output: str


@pytest.fixture
def sim() -> Iterator[Any]:
    """A running simulator of Honeycomb."""
    from simulator import Simulator

    with Simulator() as simulator:
        yield simulator


@pytest.fixture(scope="session")
def collections_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collections path that holds a copy of the collection, as it is now."""
    collections = tmp_path_factory.mktemp("collections")
    stage(collections)
    return collections


@pytest.fixture(scope="session")
def session_folder(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test session, the same one for all of its processes."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if hasattr(pytestconfig, "workerinput") else base


@pytest.fixture
def ansible_environment(sim: Any, collections_path: Path, session_folder: Path, tmp_path: Path) -> dict[str, str]:
    """The environment for an Ansible process: its own home, the staged collection, the simulator's credentials."""
    home = tmp_path / "home"
    home.mkdir()
    payloads = session_folder / "payloads"
    payloads.mkdir(exist_ok=True)
    return clean_environment(
        home,
        ANSIBLE_CALLBACK_PLUGINS=str(ROOT / "tests" / "tools" / "callback_plugins"),
        ANSIBLE_COLLECTIONS_PATH=str(collections_path),
        ANSIBLE_NOCOLOR="1",
        HONEYCOMB_TEST_PAYLOADS=str(payloads),
        **sim.environment_variables(),
    )


@pytest.fixture
def run_module(
    ansible_environment: dict[str, str], collections_path: Path, tmp_path: Path
) -> Callable[..., ModuleResult]:
    """Run one module for real, in a process of its own."""

    def run(
        name: str,
        args: dict[str, Any] | None = None,
        *,
        check: bool = False,
        diff: bool = False,
        env: dict[str, str] | None = None,
        timeout: float = 120,
    ) -> ModuleResult:
        """Run the module ``name`` (without the collection's name) and return its result.

        A failure is a result with ``failed``, as Ansible has it. ``env`` is added to the environment.
        """
        arguments = {
            **(args or {}),
            "_ansible_check_mode": check,
            "_ansible_diff": diff,
            "_ansible_module_name": f"community.honeycomb.{name}",
            "_ansible_remote_tmp": str(tmp_path),
        }
        process = subprocess.run(
            [sys.executable, "-c", MODULE_DRIVER, name],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
            env={**ansible_environment, "PYTHONPATH": str(collections_path), **(env or {})},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        try:
            result = ModuleResult(json.loads(process.stdout))
        except ValueError:
            pytest.fail(f"{name} returned no result:\n{process.stdout}\n{process.stderr}", pytrace=False)
        result.output = process.stdout + process.stderr
        return result

    return run


@pytest.fixture
def run_playbook(ansible_environment: dict[str, str], tmp_path: Path) -> Callable[..., PlaybookResult]:
    """Run a playbook for real, with ansible-playbook."""
    number = itertools.count(1)

    def run(
        playbook: str | Path,
        *,
        extra_vars: dict[str, Any] | None = None,
        check: bool = False,
        diff: bool = False,
        verbosity: int = 0,
        env: dict[str, str] | None = None,
        inventory: str | Path | None = None,
        limit: str | None = None,
        expect_rc: int | None = 0,
        timeout: float = 300,
    ) -> PlaybookResult:
        """Run ``playbook``, a path or the YAML text itself, in a temporary folder, and return how it ended.

        ``inventory`` is a path, or a list of hosts that ends with a comma; without it there is only localhost.
        ``env`` is added to the environment. Any exit code but ``expect_rc`` fails the test; None takes every one.
        """
        run_number = next(number)
        if isinstance(playbook, str) and "\n" in playbook:
            text, playbook = playbook, tmp_path / f"playbook-{run_number}.yml"
            playbook.write_text(text)
        record = tmp_path / f"record-{run_number}.jsonl"
        record.touch()
        command = [sys.executable, "-m", "ansible", "playbook", str(playbook)]
        command += ["--extra-vars", json.dumps(extra_vars)] if extra_vars else []
        command += ["--inventory", str(inventory)] if inventory else []
        command += ["--limit", limit] if limit else []
        command += ["--check"] if check else []
        command += ["--diff"] if diff else []
        command += ["-" + "v" * verbosity] if verbosity else []
        process = subprocess.run(
            command,
            env={
                **ansible_environment,
                "ANSIBLE_CALLBACKS_ENABLED": "record",
                "HONEYCOMB_TEST_RECORD": str(record),
                **(env or {}),
            },
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        records = [json.loads(line) for line in record.read_text().splitlines()]
        stats = [line["stats"] for line in records if "stats" in line]
        result = PlaybookResult(
            rc=process.returncode,
            stdout=process.stdout,
            stderr=process.stderr,
            tasks=[line for line in records if "task" in line],
            stats=stats[-1] if stats else {},
        )
        if expect_rc is not None and result.rc != expect_rc:
            pytest.fail(f"ansible-playbook ended with {result.rc}, not {expect_rc}:\n{result.output}", pytrace=False)
        return result

    return run

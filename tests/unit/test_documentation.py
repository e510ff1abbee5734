# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documentation of every module is true: options, returned values, examples, action group.

A new module is found by itself; it needs an entry in SCENARIOS, so that its results can be compared with RETURN.
"""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from unittest import mock

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if path.stem != "__init__")
PREFIX = "community.honeycomb."
# What Ansible itself adds to results
COMMON = {"changed", "diff", "failed", "msg", "warnings", "deprecations", "exception"}
PYTHON_TYPES = {"str": str, "bool": bool, "int": int, "float": (int, float), "dict": dict, "list": list}


@pytest.fixture(scope="session")
def documentation(collections_path, tmp_path_factory):
    """What ansible-doc makes of every module: fragments merged, {name: {"doc", "examples", "return"}}."""
    home = tmp_path_factory.mktemp("home")
    process = subprocess.run(
        [sys.executable, "-m", "ansible", "doc", "--type", "module", "--json", *(PREFIX + name for name in MODULES)],
        env={
            **importlib.import_module("tools.workspace").clean_environment(home),
            "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    documents = json.loads(process.stdout)
    assert len(documents) == len(MODULES)
    return {name.removeprefix(PREFIX): document for name, document in documents.items()}


def texts(value):
    return " ".join(value) if isinstance(value, list) else value


# Options


class Captured(Exception):
    pass


def argument_spec(name):
    """The arguments with which a module makes its AnsibleModule."""

    def capture(_self, *args, **kwargs):
        raise Captured({"argument_spec": args[0] if args else None, **kwargs})

    module = importlib.import_module(f"ansible_collections.community.honeycomb.plugins.modules.{name}")
    with mock.patch.object(AnsibleModule, "__init__", capture), pytest.raises(Captured) as caught:
        module.main()
    return caught.value.args[0]


def compare_options(spec, options, where):
    assert set(spec) == set(options), where
    for name, option in spec.items():
        place, documented = f"{where}.{name}", options[name]
        assert option.get("type", "str") == documented.get("type", "str"), place
        assert option.get("elements") == documented.get("elements"), place
        assert option.get("required", False) == documented.get("required", False), place
        assert option.get("default") == documented.get("default"), place
        assert list(option.get("choices") or []) == list(documented.get("choices") or []), place
        assert list(option.get("aliases") or []) == list(documented.get("aliases") or []), place
        variables = re.findall(r"E\((\w+)\)", texts(documented["description"]))
        assert list(option["fallback"][1]) if "fallback" in option else variables == [], place
        assert bool(option.get("options")) == bool(documented.get("suboptions")), place
        if option.get("options"):
            compare_options(option["options"], documented["suboptions"], place)


@pytest.mark.parametrize("name", MODULES)
def test_options(documentation, name):
    given = argument_spec(name)
    document = documentation[name]["doc"]
    compare_options(given["argument_spec"], document["options"], name)
    assert given["supports_check_mode"] is (document["attributes"]["check_mode"]["support"] == "full")


@pytest.mark.parametrize("name", MODULES)
def test_secrets_are_not_logged(documentation, name):
    def walk(spec):
        for option, details in spec.items():
            secret = re.search(r"(?i)secret|\bkey$|password|token", option) and details.get("type", "str") == "str"
            if secret:
                assert details.get("no_log") is True, option
            walk(details.get("options") or {})

    walk(argument_spec(name)["argument_spec"])


@pytest.mark.parametrize("name", MODULES)
def test_what_ansible_doc_shows(documentation, name):
    document = documentation[name]["doc"]
    assert document["module"] == name
    assert document["version_added"]
    assert document["author"]
    assert not document["short_description"].endswith(".")
    for attribute in ("check_mode", "diff_mode", "idempotent", "action_group"):
        assert document["attributes"][attribute]["support"] in ("full", "partial", "N/A"), attribute
    every = json.dumps(documentation[name])
    for reference in re.findall(r"(?:community\.honeycomb\.)(honeycomb_\w+)", every):
        assert reference in MODULES, reference


def test_action_group():
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    assert sorted(runtime["action_groups"]["honeycomb"]) == MODULES
    assert runtime["requires_ansible"] == ">=2.16.0"


# Examples


@pytest.mark.parametrize("name", MODULES)
def test_examples_use_existing_options(documentation, name):
    tasks = yaml.safe_load(documentation[name]["examples"])
    assert any(PREFIX + name in task for task in tasks)
    for task in tasks:
        assert task["name"]
        for action, arguments in task.items():
            assert "." in action or action in (
                "name",
                "register",
                "no_log",
                "when",
                "loop",
                "vars",
                "failed_when",
                "changed_when",
                "delegate_to",
                "until",
                "retries",
                "delay",
                "loop_control",
                "check_mode",
                "diff",
            ), action
            if action.startswith(PREFIX) and ".honeycomb_" in action:
                check_arguments(arguments, documentation[action.removeprefix(PREFIX)]["doc"]["options"], task["name"])


def check_arguments(arguments, options, where):
    names = {alias: name for name, option in options.items() for alias in [name, *(option.get("aliases") or [])]}
    for argument, value in (arguments or {}).items():
        assert argument in names, f"{where}: {argument}"
        option = options[names[argument]]
        if option.get("choices") and "{{" not in str(value):
            assert value in option["choices"], f"{where}: {argument}"
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, dict) and option.get("suboptions"):
                check_arguments(entry, option["suboptions"], where)


# Returned values


def key_scenarios(sim, call):
    place = sim.environments[0]["id"]
    wanted = {"name": "a", "key_type": "ingest", "environment": "production"}
    for key_type in ("ingest", "configuration"):
        yield call(name="a", key_type=key_type, environment=place)
    yield call(**wanted, check=True)
    yield call(**wanted)
    yield call(**wanted, state="absent")
    yield call(name="a", key_type="ingest", environment="nowhere")
    yield call(**wanted, management_key_secret="wrong")
    # The answer to the first creation is lost, and later the keys can't be listed any more.
    sim.fail("createApiKey", "close")
    sim.fail("listApiKeys", "status", status=403, nth=3, times=None)
    yield call(**wanted)


def info_scenarios(sim, call):
    sim.add_key("a", "ingest", "production")
    sim.add_key("b", "configuration", "staging", disabled=True)
    yield call()
    yield call(management_key_secret="wrong")


def auth_scenarios(sim, call):
    yield call()
    yield call(management_key_secret="wrong")
    for key_type in ("ingest", "configuration"):
        yield call(key=sim.add_key(key_type=key_type).value)
    yield call(key="wrong")


def keys_scenarios(sim, call):
    sim.add_key("old", "ingest", "production")
    top = {"key_type": "ingest", "environment": "production"}
    yield call(**top, api_keys=[{"name": "a"}, {"name": "b", "state": "disabled"}, {"name": "old", "state": "absent"}])
    yield call(**top, api_keys=[{"name": "a"}], purge="disable")
    yield call(**top, api_keys=[{"name": "a"}], purge="delete", check=True)
    yield call(**top, api_keys=[], management_key_secret="wrong")
    sim.fail("createApiKey", "status", status=422, nth=2)
    yield call(**top, api_keys=[{"name": "c"}, {"name": "d"}], concurrency=1)


def environment_scenarios(sim, call):
    yield call(name="New", description="d", color="gold", check=True)
    yield call(name="New", description="d", color="gold")
    sim.add_key("in it", "ingest", "new")
    yield call(name="New", state="absent")
    yield call(name="New", state="absent", unprotect=True, delete_keys=True, check=True)
    yield call(name="New", management_key_secret="wrong")


def environment_info_scenarios(sim, call):
    yield call()
    yield call(management_key_secret="wrong")


def rotation_scenarios(sim, call):
    long_ago = sim.now() - timedelta(days=100)
    sim.add_key("old", "ingest", "production", created=long_ago)
    sim.add_key("twice", "ingest", "production", created=long_ago)
    sim.add_key("twice", "ingest", "production", created=long_ago)
    one = [{"name": "old", "key_type": "ingest", "environment": "production"}]
    both = [*one, {"name": "twice", "key_type": "ingest", "environment": "production"}]
    yield call(phase="status", rotations=both)
    yield call(phase="stage", rotations=one, check=True)
    staged = call(phase="stage", rotations=one)
    yield staged
    yield call(phase="activate", staged=staged["staged"])
    yield call(phase="promote", staged=staged["staged"])
    yield call(phase="status", rotations=one)
    yield call(phase="restore", rotations=one)
    yield call(phase="status", rotations=one)
    yield call(phase="retire", rotations=one)
    yield call(phase="status", rotations=one, management_key_secret="wrong")


SCENARIOS = {
    "honeycomb_api_key": key_scenarios,
    "honeycomb_api_key_info": info_scenarios,
    "honeycomb_api_key_rotation": rotation_scenarios,
    "honeycomb_api_keys": keys_scenarios,
    "honeycomb_auth_info": auth_scenarios,
    "honeycomb_environment": environment_scenarios,
    "honeycomb_environment_info": environment_info_scenarios,
}


def compare_results(values, documented, where, seen):
    """Everything that was returned is documented, with its type; note in ``seen`` what was."""
    for name, value in values.items():
        place = f"{where}.{name}"
        assert name in documented, f"{place} is returned, but not documented"
        seen.add(place)
        entry = documented[name]
        if value is None:
            continue
        assert isinstance(value, PYTHON_TYPES[entry["type"]]), (
            f"{place} is a {type(value).__name__}, not {entry['type']}"
        )
        assert not (entry["type"] == "int" and isinstance(value, bool)), place
        for part in value if isinstance(value, list) else [value]:
            if "elements" in entry:
                assert isinstance(part, PYTHON_TYPES[entry["elements"]]), place
            if isinstance(part, dict) and entry.get("contains"):
                compare_results(part, entry["contains"], place, seen)


def every_place(documented, where):
    for name, entry in documented.items():
        yield f"{where}.{name}"
        yield from every_place(entry.get("contains") or {}, f"{where}.{name}")


@pytest.mark.parametrize("name", MODULES)
def test_returned_values(sim, call_module, documentation, name):
    documented = documentation[name]["return"]
    seen = set()
    outcomes = set()

    def call(check=False, **arguments):
        before = sum(request.method != "GET" for request in sim.requests)
        result = call_module(name, arguments, check=check)
        if check:
            assert sum(request.method != "GET" for request in sim.requests) == before, "check mode writes"
        return result

    for result in SCENARIOS[name](sim, call):
        outcome = "failed" if result.get("failed") else "succeeded"
        outcomes.add(outcome)
        own = {key: value for key, value in result.items() if key not in COMMON}
        compare_results(own, documented, name, seen)
        for key, entry in documented.items():
            said = entry["returned"]
            if outcome == "succeeded" and re.match("(success|always)($|, and on failure)", said):
                assert key in own, f"{key} is documented, but not returned"
            if outcome == "failed" and said.startswith("success") and "failure" not in said:
                assert key not in own, f"{key} is returned by a failure"
            if outcome == "succeeded" and said.startswith("on failure"):
                assert key not in own, f"{key} is returned by a success"
    assert outcomes == {"failed", "succeeded"}
    assert not set(every_place(documented, name)) - seen, "documented, but never returned"

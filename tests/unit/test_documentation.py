# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documentation of every module is true: options, returned values, examples, action group.

A new module is found by itself; it needs an entry in SCENARIOS, so that its results can be compared with RETURN.
What compares a document with the truth is also given documents that are wrong in one point, and has to notice each.
"""

from __future__ import annotations

import fcntl
import functools
import importlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.community.honeycomb.plugins.module_utils._stores.options import OPTIONS
from simulator import Simulator
from tools.workspace import clean_environment

ROOT = Path(__file__).resolve().parents[2]
# A module with an action plugin is documentation alone, and serves a role.
ACTIONS = {path.stem for path in (ROOT / "plugins" / "action").glob("*.py")}
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if path.stem not in ACTIONS)
PREFIX = "community.honeycomb."
# What Ansible itself adds to results
COMMON = {"changed", "diff", "failed", "msg", "warnings", "deprecations", "exception"}
PYTHON_TYPES: dict[str, Any] = {"str": str, "bool": bool, "int": int, "float": (int, float), "dict": dict, "list": list}


@pytest.fixture(scope="session")
def documentation(collections_path: Path, session_folder: Path) -> dict[Any, Any]:
    """What ansible-doc makes of every module: fragments merged, {name: {"doc", "examples", "return"}}."""
    kept = session_folder / "documentation.json"
    with kept.with_suffix(".lock").open("w") as lock:
        # Several test processes may come here together; one of them asks.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_text(ask_ansible_doc(collections_path, session_folder))
    documents = json.loads(kept.read_text())
    assert len(documents) == len(MODULES)
    return {name.removeprefix(PREFIX): document for name, document in documents.items()}


def ask_ansible_doc(collections_path: Any, home: Any) -> Any:
    process = subprocess.run(
        [sys.executable, "-m", "ansible", "doc", "--type", "module", "--json", *(PREFIX + name for name in MODULES)],
        env=clean_environment(home, ANSIBLE_COLLECTIONS_PATH=str(collections_path)),
        capture_output=True,
        text=True,
        check=True,
    )
    return process.stdout


def texts(value: Any) -> Any:
    return " ".join(value) if isinstance(value, list) else value


def assert_noticed(compare: Any, wrong_documents: Any) -> None:
    """Comparing fails for each of some documents, given as pairs: what is wrong with it, and the document."""
    unnoticed = []
    count = 0
    for what, document in wrong_documents:
        count += 1
        try:
            compare(document)
        except AssertionError:
            continue
        unnoticed.append(what)
    assert count
    assert not unnoticed, f"nobody would notice if this was documented: {unnoticed}"


# Options


class Captured(Exception):
    pass


@functools.cache
def argument_spec(name: Any) -> Any:
    """The arguments with which a module makes its AnsibleModule."""

    def capture(_self: Any, *args: Any, **kwargs: Any) -> Any:
        raise Captured({"argument_spec": args[0] if args else None, **kwargs})

    module = importlib.import_module(f"ansible_collections.community.honeycomb.plugins.modules.{name}")
    with mock.patch.object(AnsibleModule, "__init__", capture), pytest.raises(Captured) as caught:
        module.main()
    return caught.value.args[0]


def compare_options(spec: Any, options: Any, where: Any) -> None:
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
        fallback = option["fallback"][1] if "fallback" in option else ()
        # What the environment provides of a store depends on its type.
        found = OPTIONS[name].variables if where.endswith(".store") and name in OPTIONS else fallback
        assert list(found) == variables, place
        assert bool(option.get("options")) == bool(documented.get("suboptions")), place
        if option.get("options"):
            compare_options(option["options"], documented["suboptions"], place)


def wrong_options(options: Any) -> Iterator[Any]:
    """Documents of options, each wrong in one point, as (what is wrong, document)."""
    yield "an option too many", {**options, "invented": {"type": "str", "description": "x"}}
    for name, option in options.items():
        yield f"{name} is missing", {other: options[other] for other in options if other != name}
        for attribute, wrong in (
            ("type", "raw"),
            ("elements", "raw"),
            ("required", not option.get("required", False)),
            ("default", "wrong"),
            ("choices", [*(option.get("choices") or []), "wrong"]),
            ("aliases", [*(option.get("aliases") or []), "wrong"]),
            ("description", [texts(option["description"]), "E(WRONG)"]),
            ("description", re.sub(r"E\(\w+\)", "", texts(option["description"]), count=1)),
        ):
            if texts(option.get(attribute)) != wrong:
                yield f"{name}: {attribute}: {wrong}", {**options, name: {**option, attribute: wrong}}
        if option.get("suboptions"):
            for what, wrong in [("none", {}), *wrong_options(option["suboptions"])]:
                yield f"{name}.{what}", {**options, name: {**option, "suboptions": wrong}}


@pytest.mark.parametrize("name", MODULES)
def test_options(documentation: Any, name: Any) -> None:
    given = argument_spec(name)
    document = documentation[name]["doc"]
    compare_options(given["argument_spec"], document["options"], name)
    assert_noticed(
        lambda wrong: compare_options(given["argument_spec"], wrong, name), wrong_options(document["options"])
    )
    assert given["supports_check_mode"] is (document["attributes"]["check_mode"]["support"] == "full")


@pytest.mark.parametrize(
    ("name", "arguments", "missing"),
    [
        ("honeycomb_api_key", {"key_type": "ingest"}, "one of the following is required: id, name"),
        ("honeycomb_environment", {"color": "gold"}, "one of the following is required: id, name"),
        ("honeycomb_api_keys", {"api_keys": [], "purge": "disable"}, "following are missing: environment, key_type"),
        ("honeycomb_api_keys", {"api_keys": [], "purge": "delete"}, "following are missing: environment, key_type"),
        *(
            ("honeycomb_api_key_rotation", {"phase": phase}, "following are missing: rotations")
            for phase in ("status", "stage", "restore", "retire")
        ),
        *(
            ("honeycomb_api_key_rotation", {"phase": phase}, "following are missing: staged")
            for phase in ("check", "promote", "release")
        ),
    ],
)
def test_options_that_need_others(
    sim: Simulator, call_module: Callable[..., Any], name: Any, arguments: Any, missing: Any
) -> None:
    """What documentation can say in words only."""
    assert missing in call_module(name, arguments)["msg"]
    assert not sim.requests


@pytest.mark.parametrize("name", MODULES)
def test_secrets_are_not_logged(name: Any) -> None:
    # They say where a secret is, or are the name of one.
    places = {"vault_password_file", "secret_id", "secret"}

    def walk(spec: Any) -> None:
        for option, details in spec.items():
            holds_text = "str" in (details.get("type", "str"), details.get("elements"))
            if holds_text and re.search(r"(?i)secret|(^|_)keys?$|password|token", option):
                assert details.get("no_log") is (option not in places), option
            walk(details.get("options") or {})

    walk(argument_spec(name)["argument_spec"])


@pytest.mark.parametrize("name", MODULES)
def test_what_ansible_doc_shows(documentation: Any, name: Any) -> None:
    document = documentation[name]["doc"]
    assert document["module"] == name
    assert document["version_added"]
    assert document["author"]
    assert not document["short_description"].endswith(".")
    for attribute in ("check_mode", "diff_mode", "idempotent", "action_group"):
        assert document["attributes"][attribute]["support"] in ("full", "partial", "N/A"), attribute
    assert document["attributes"]["action_group"]["membership"] == ["community.honeycomb.honeycomb"]
    every = json.dumps(documentation[name])
    for reference in re.findall(r"(?:community\.honeycomb\.)(honeycomb_\w+)", every):
        assert reference in MODULES, reference


def test_action_group() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    assert sorted(runtime["action_groups"]["honeycomb"]) == MODULES
    assert runtime["requires_ansible"] == ">=2.16.0"


# What several modules document. Fragments can hold options, but no returned values and no suboptions.

# What one module has to add to the words of the others: what check mode can't know, and which of many it is about.
SPECIAL = re.compile(
    r"\. C\(null\) for [^.]* check mode would create[^.]*(?=\.)|,? (?:about|for) the first item that failed"
)


# Equal but for their wording, without a reason. Take a line out when the documents agree.
def returned_things(documented: Any) -> Iterator[Any]:
    """What RETURN says about things that other modules return too: (thing, what is said of each of its attributes)."""
    for name, entry in documented.items():
        contains = entry.get("contains") or {}
        if name == "error":
            yield "an error", {**contains, "error itself": entry}
        elif {"key_type", "permissions"} <= set(contains):
            yield "a key", contains
        elif "delete_protected" in contains:
            yield "an environment", contains
        elif "slug" in contains:
            yield f"{name} in short", contains
        elif "secret" in contains:
            yield "a created key", contains
        yield from returned_things(contains)


def repeated_options(options: Any) -> Iterator[Any]:
    for name, option in options.items():
        if name in ("permissions", "marks") and option.get("suboptions"):
            yield f"option {name}", option["suboptions"]
        yield from repeated_options(option.get("suboptions") or {})


def wording(entry: Any) -> dict[str, Any]:
    """A document without what may differ: samples, and the place that a reference to an option leads to."""
    text = re.sub(r"[CO]\((?:[\w\[\]]+\.)*(\w+)\)", r"C(\1)", SPECIAL.sub("", texts(entry["description"])))
    contents = {name: wording(part) for name, part in (entry.get("contains") or {}).items()}
    return {**entry, "description": text, "contains": contents, "sample": None}


def test_what_several_modules_document_is_the_same(documentation: Any) -> None:
    said: dict[Any, Any] = {}
    for document in documentation.values():
        for thing, attributes in [*returned_things(document["return"]), *repeated_options(document["doc"]["options"])]:
            for attribute, entry in attributes.items():
                said.setdefault(f"{thing}: {attribute}", []).append(wording(entry))
    different = {what for what, entries in said.items() if any(entry != entries[0] for entry in entries)}
    assert len([what for what, entries in said.items() if len(entries) > 1]) > 30
    assert different == set()


def test_the_special_words_of_one_module() -> None:
    """What is taken out before documents are compared is no more than that."""
    text = "The key's id. C(null) for a key that check mode would create. It does not change."
    assert SPECIAL.sub("", text) == "The key's id. It does not change."
    assert SPECIAL.sub("", "What the service said, about the first item that failed.") == "What the service said."


# Examples


@pytest.mark.parametrize("name", MODULES)
def test_examples_use_existing_options(documentation: Any, name: Any) -> None:
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


def check_arguments(arguments: Any, options: Any, where: Any) -> None:
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


def key_scenarios(sim: Any, call: Any) -> Iterator[Any]:
    place = sim.environments[0]["id"]
    wanted = {"name": "a", "key_type": "ingest", "environment": "production"}
    for key_type in ("ingest", "configuration"):
        yield call(name="a", key_type=key_type, environment=place)
    yield call(**wanted, check=True)
    yield call(**wanted)
    yield call(**wanted, state="absent")
    yield call(name="a", key_type="ingest", environment="nowhere")
    with tempfile.TemporaryDirectory() as folder:
        store = {"type": "file", "path": f"{folder}/{{name}}"}
        yield call(name="b", key_type="ingest", environment="production", store=store, check=True)
        yield call(name="b", key_type="ingest", environment="production", store=store)
        yield call(name="b", key_type="ingest", environment="production", store=store)
    yield call(**wanted, management_key_secret="wrong")
    # The answer to the first creation is lost, and later the keys can't be listed any more.
    sim.fail("createApiKey", "close")
    sim.fail("listApiKeys", "status", status=403, nth=3, times=None)
    yield call(**wanted)


def info_scenarios(sim: Any, call: Any) -> Iterator[Any]:
    sim.add_key("a", "ingest", "production")
    sim.add_key("b", "configuration", "staging", disabled=True)
    yield call()
    yield call(management_key_secret="wrong")
    yield call(older_than="a while")


def auth_scenarios(sim: Any, call: Any) -> Iterator[Any]:
    yield call()
    yield call(management_key_secret="wrong")
    for key_type in ("ingest", "configuration"):
        yield call(key=sim.add_key(key_type=key_type).value)
    yield call(key="wrong")
    yield call(management_key_secret="with:colon")


def keys_scenarios(sim: Any, call: Any) -> Iterator[Any]:
    sim.add_key("old", "ingest", "production")
    top = {"key_type": "ingest", "environment": "production"}
    yield call(**top, api_keys=[{"name": "a"}, {"name": "b", "state": "disabled"}, {"name": "old", "state": "absent"}])
    yield call(**top, api_keys=[{"name": "a"}], purge="disable")
    yield call(**top, api_keys=[{"name": "a"}], purge="delete", check=True)
    yield call(**top, api_keys=[], management_key_secret="wrong")
    yield call(**top, api_keys=[{"id": sim.add_key().id, "name": "of another", "state": "absent"}])
    with tempfile.TemporaryDirectory() as folder:
        yield call(**top, api_keys=[{"name": "kept"}], store={"type": "file", "path": f"{folder}/{{name}}"})
    sim.fail("createApiKey", "status", status=422, nth=2)
    yield call(**top, api_keys=[{"name": "c"}, {"name": "d"}], concurrency=1)


def environment_scenarios(sim: Any, call: Any) -> Iterator[Any]:
    yield call(name="New", description="d", color="gold", check=True)
    yield call(name="New", description="d", color="gold")
    sim.add_key("in it", "ingest", "new")
    yield call(name="New", state="absent")
    yield call(name="New", state="absent", unprotect=True, delete_keys=True, check=True)
    yield call(name="New", management_key_secret="wrong")
    sim.fail("deleteEnvironment", status=403)
    yield call(name="New", state="absent", unprotect=True, delete_keys=True)
    yield call(name="New", management_key_secret="wrong", state="absent")
    yield call(name="nowhere", state="absent")
    yield call(state="absent", id="nowhere", name="New")


def environment_info_scenarios(sim: Any, call: Any) -> Iterator[Any]:
    yield call()
    yield call(management_key_secret="wrong")
    yield call(management_key_secret="with:colon")


def rotation_scenarios(sim: Any, call: Any) -> Iterator[Any]:
    long_ago = sim.now() - timedelta(days=100)
    sim.add_key("old", "ingest", "production", created=long_ago)
    sim.add_key("twice", "ingest", "production", created=long_ago)
    sim.add_key("twice", "ingest", "production", created=long_ago)
    one = [{"name": "old", "key_type": "ingest", "environment": "production"}]
    both = [*one, {"name": "twice", "key_type": "ingest", "environment": "production"}]
    yield call(phase="status", rotations=both)
    yield call(phase="stage", rotations=one, check=True)
    yield call(phase="stage", rotations=one, create=[])
    staged = call(phase="stage", rotations=one)
    yield staged
    yield call(phase="check", staged=staged["staged"])
    yield call(phase="promote", staged=[{**staged["staged"][0], "new_id": "hcxik_gone"}])
    with tempfile.TemporaryDirectory() as folder:
        store = {"type": "file", "path": f"{folder}/{{name}}"}
        sim.add_key("kept", "ingest", "production", created=long_ago)
        kept = [{"name": "kept", "key_type": "ingest", "environment": "production"}]
        in_store = call(phase="stage", rotations=kept, store=store)
        yield in_store
        yield call(phase="release", staged=in_store["staged"], store=store)
    yield call(phase="promote", staged=staged["staged"])
    yield call(phase="status", rotations=one)
    yield call(phase="restore", rotations=one)
    yield call(phase="status", rotations=one)
    yield call(phase="retire", rotations=one)
    yield call(phase="status", rotations=one, management_key_secret="wrong")
    yield call(phase="stage", rotations=one, max_age="a while")


SCENARIOS = {
    "honeycomb_api_key": key_scenarios,
    "honeycomb_api_key_info": info_scenarios,
    "honeycomb_api_key_rotation": rotation_scenarios,
    "honeycomb_api_keys": keys_scenarios,
    "honeycomb_auth_info": auth_scenarios,
    "honeycomb_environment": environment_scenarios,
    "honeycomb_environment_info": environment_info_scenarios,
}


def compare_value(value: Any, entry: Any, place: Any) -> None:
    assert isinstance(value, PYTHON_TYPES[entry["type"]]), f"{place} is a {type(value).__name__}, not {entry['type']}"
    assert not (entry["type"] == "int" and isinstance(value, bool)), place
    assert ("elements" in entry) == (entry["type"] == "list"), place
    for part in value if isinstance(value, list) else []:
        assert isinstance(part, PYTHON_TYPES[entry["elements"]]), place


def compare_results(values: Any, documented: Any, where: Any, seen: Any) -> None:
    """Everything that was returned is documented, with its type; note in ``seen`` what was."""
    for name, value in values.items():
        place = f"{where}.{name}"
        assert name in documented, f"{place} is returned, but not documented"
        entry = documented[name]
        if value is None:
            continue
        # An empty list tells nothing about its elements.
        if value != []:
            seen.add(place)
        compare_value(value, entry, place)
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict) and entry.get("contains"):
                compare_results(part, entry["contains"], place, seen)


def every_entry(documented: Any, where: Any) -> Iterator[Any]:
    for name, entry in documented.items():
        yield f"{where}.{name}", entry
        yield from every_entry(entry.get("contains") or {}, f"{where}.{name}")


def has_to_be_returned(said: Any, arguments: Any, failed: Any) -> bool | None:
    """What the documentation says about a value: True (it is returned), False (it is not), None (it depends)."""
    phases = re.findall(r"V\((\w+)\)", said)
    if phases and (arguments["phase"] in phases) is ("all phases but" in said):
        return False
    for without, option, value in re.findall(r"\bwith(out)? O\((\w+)(?:=(\w+))?\)", said):
        given = arguments.get(option) == value if value else option in arguments
        if given is bool(without):
            return False
    if not said.startswith(("success", "always", "with ")):
        return False if said.startswith("on failure") and not failed else None
    if not failed or said.startswith("always"):
        return True
    return None if re.search("on failure|also|even", said) else False


def compare_with_returned(documented: Any, outcomes: Any, where: Any) -> None:
    """RETURN against what was returned: pairs of arguments and a result, successes and failures."""
    seen: set[Any] = set()
    unclear: dict[Any, Any] = {}
    for arguments, result in outcomes:
        own = {key: value for key, value in result.items() if key not in COMMON}
        compare_results(own, documented, where, seen)
        for key, entry in documented.items():
            said = entry["returned"]
            expected = has_to_be_returned(said, arguments, bool(result.get("failed")))
            if expected is None:
                unclear.setdefault(key, set()).add(key in own)
            else:
                assert (key in own) is expected, f"{key} is {'' if key in own else 'not '}returned, against: {said}"
    for key, found in unclear.items():
        assert found == {True, False}, f"not seen with and without {key}: {documented[key]['returned']}"
    entries = dict(every_entry(documented, where))
    # Files have no versions; a store that has them needs a server. See tests/stores.
    unseen = sorted(entry for entry in set(entries) - seen if not entry.endswith(".stored.version"))
    assert not unseen, f"documented, but never returned with a value: {unseen}"
    for place, entry in entries.items():
        if "sample" in entry:
            compare_value(entry["sample"], entry, f"the sample of {place}")


def wrong_returns(documented: Any, top: Any = True) -> Iterator[Any]:
    """Documents of returned values, each wrong in one point, as (what is wrong, document)."""
    yield "a value too many", {**documented, "invented": {"type": "str", "returned": "success"}}
    for name, entry in documented.items():
        yield f"{name} is missing", {other: documented[other] for other in documented if other != name}
        changes = [("type", "str" if entry["type"] != "str" else "int"), ("sample", object())]
        if "elements" in entry:
            changes.append(("elements", "str" if entry["elements"] != "str" else "int"))
        if top:
            changes += [
                ("returned", said) for said in ("success", "on failure") if not entry["returned"].startswith(said)
            ]
        for attribute, wrong in changes:
            yield f"{name}: {attribute}: {wrong}", {**documented, name: {**entry, attribute: wrong}}
        for what, wrong in wrong_returns(entry["contains"], top=False) if "contains" in entry else []:
            yield f"{name}.{what}", {**documented, name: {**entry, "contains": wrong}}


@pytest.mark.parametrize("name", MODULES)
def test_returned_values(
    sim: Simulator, quick_waits: int, call_module: Callable[..., Any], documentation: Any, name: Any
) -> None:
    outcomes = []

    def call(check: Any = False, **arguments: Any) -> Any:
        before = sum(request.method != "GET" for request in sim.requests)
        result = call_module(name, arguments, check=check)
        if check:
            assert sum(request.method != "GET" for request in sim.requests) == before, "check mode writes"
        outcomes.append((arguments, result))
        return result

    for _result in SCENARIOS[name](sim, call):
        pass
    assert {bool(result.get("failed")) for _arguments, result in outcomes} == {True, False}
    documented = documentation[name]["return"]
    compare_with_returned(documented, outcomes, name)
    assert_noticed(lambda wrong: compare_with_returned(wrong, outcomes, name), wrong_returns(documented))
    shows_diffs = documentation[name]["doc"]["attributes"]["diff_mode"]["support"] == "full"
    assert any("diff" in result for _arguments, result in outcomes) is shows_diffs


# Of modules that write: what to run twice
TWICE: dict[str, Any] = {
    "honeycomb_api_key": {"name": "a", "key_type": "ingest", "environment": "production"},
    "honeycomb_api_keys": {"key_type": "ingest", "environment": "production", "api_keys": [{"name": "a"}]},
    "honeycomb_environment": {"name": "New", "color": "gold"},
    "honeycomb_api_key_rotation": {
        "phase": "stage",
        "rotations": [{"name": "old", "key_type": "ingest", "environment": "production"}],
        "force": True,
        "lock_time": "0s",
    },
}


@pytest.mark.parametrize("name", MODULES)
def test_idempotent(sim: Simulator, call_module: Callable[..., Any], documentation: Any, name: Any) -> None:
    sim.add_key("old", "ingest", "production")
    first, second = (call_module(name, TWICE.get(name, {})) for _time in range(2))
    assert not first.get("failed")
    assert not second.get("failed")
    assert first["changed"] is (name in TWICE)
    assert second["changed"] is (documentation[name]["doc"]["attributes"]["idempotent"]["support"] != "full")

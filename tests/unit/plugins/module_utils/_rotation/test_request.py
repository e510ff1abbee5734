# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role is asked for: what is wrong with it, and where each key's tasks files are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.community.honeycomb.plugins.filter import rotation_request
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.request import Request, read_request

DEPLOYED: dict[str, Any] = {"name": "checkout", "deploy_tasks": "deploy.yml", "overlap": "0s"}


def read(keys: list | None = None, absent: tuple[str, ...] = (), **defaults: Any) -> Request:
    """Every file is there, but for those that are said to be absent."""
    return read_request(keys or [], defaults, "/plays", lambda path: path not in absent)


def test_one_key_by_its_name() -> None:
    request = read(**DEPLOYED, old_key="value", notify_tasks="tell.yml")

    assert request == Request(
        problems=[],
        rotations=[{"name": "checkout"}],
        tasks=[{"store_tasks": "", "deploy_tasks": "/plays/deploy.yml", "verify_tasks": ""}],
        storing=[],
        deploying=[0],
        hosts=[[]],
        stores=[{}],
        notify_tasks="/plays/tell.yml",
        old_keys=["value"],
    )


def test_many_keys_each_with_its_own_files_or_the_common_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    request = read(
        [
            {"name": "a", "max_age": "30d", "deploy_tasks": "~/a.yml", "old_key": "value"},
            {"name": "b", "verify_tasks": "/etc/b.yml", "deploy_tasks": None},
        ],
        **DEPLOYED,
    )

    assert request.problems == []
    assert request.rotations == [{"name": "a", "max_age": "30d"}, {"name": "b"}]
    assert request.tasks == [
        {"store_tasks": "", "deploy_tasks": "/home/me/a.yml", "verify_tasks": ""},
        {"store_tasks": "", "deploy_tasks": "/plays/deploy.yml", "verify_tasks": "/etc/b.yml"},
    ]
    assert request.old_keys == ["value", ""]


@pytest.mark.parametrize("keys", [[], [{"name": ""}], [{"name": "a"}, {"name": None}], [{"key_type": "ingest"}]])
@pytest.mark.parametrize("action", ["rotate", "restore"])
def test_without_a_name_nothing_is_done(keys: Any, action: Any) -> None:
    (problem,) = read(keys, action=action, deploy_tasks="deploy.yml").problems

    assert problem.startswith("Nothing says which key is meant.")


ZEROS = ["0s", "0S", "0", 0, "0h0m", "0s0d", " 0h ", "00m", None]


@pytest.mark.parametrize("overlap", ZEROS)
@pytest.mark.parametrize("own", [True, False], ids=["own", "default"])
def test_whoever_reads_a_store_needs_time_to_do_so(overlap: Any, own: Any) -> None:
    if own and overlap is not None:
        request = read([{"name": "checkout", "overlap": overlap}], store_tasks="store.yml", overlap="24h")
    else:
        request = read([{"name": "checkout"}], store_tasks="store.yml", overlap=overlap)

    (problem,) = request.problems
    assert problem.startswith("checkout: nothing says how a new value reaches the application")


@pytest.mark.parametrize("overlap", ["1s", "0h1m", "24h", "1D"])
def test_a_store_and_an_overlap_will_do(overlap: Any) -> None:
    assert read(name="checkout", store_tasks="store.yml", overlap=overlap).problems == []
    entry = {"name": "checkout", "store_tasks": "store.yml", "overlap": overlap}
    assert read([entry], overlap="0s").problems == []


@pytest.mark.parametrize("blank", [None, ""])
def test_an_entry_with_blank_deploy_tasks_is_not_deployed(blank: Any) -> None:
    entries = [{"name": "a", "deploy_tasks": blank}, {"name": "b", "deploy_tasks": "b.yml"}]

    (problem,) = read(entries, overlap="24h", deploy_tasks=blank).problems

    assert problem.startswith("a: nothing says how")


@pytest.mark.parametrize("option", ["max_age", "overlap", "grace", "lock_time"])
def test_a_duration_that_can_not_be_read_is_a_problem(option: Any) -> None:
    (problem,) = read(**{**DEPLOYED, option: "90"}).problems
    assert problem.startswith(f"api_key_rotation_{option}: '90' is not a duration.")

    (problem,) = read([{"name": "a", option: "soon"}], **DEPLOYED).problems
    assert problem.startswith(f"api_key_rotation_keys[0].{option}: 'soon' is not a duration.")


def test_how_long_to_verify_is_checked_before_a_key_is_live() -> None:
    (problem,) = read(**DEPLOYED, verify_time="a while").problems

    assert problem.startswith("api_key_rotation_verify_time: 'a while' is not a duration.")


def test_every_absent_file_is_named_once() -> None:
    entries = [{"name": "a"}, {"name": "b"}, {"name": "c", "verify_tasks": "c.yml"}]
    absent = ("/plays/deploy.yml", "/plays/c.yml", "/plays/tell.yml")

    (problem,) = read(entries, absent, **DEPLOYED, notify_tasks="tell.yml").problems

    assert problem.startswith("There is no /plays/deploy.yml, nor /plays/c.yml, nor /plays/tell.yml. A relative path")


@pytest.mark.parametrize("action", ["status", "restore", "retire"])
def test_going_back_needs_no_tasks_files(action: Any) -> None:
    """At night, nothing that matters to a rotation only may be in the way."""
    assert (
        read(
            name="checkout", action=action, overlap="never", verify_tasks="gone.yml", absent=("/plays/gone.yml",)
        ).problems
        == []
    )


def test_the_filter_looks_for_real_files(tmp_path: Path) -> None:
    (tmp_path / "deploy.yml").write_text("---\n")
    request = rotation_request.FilterModule().filters()["rotation_request"]

    assert request([], DEPLOYED, str(tmp_path))["problems"] == []
    assert request([], {**DEPLOYED, "deploy_tasks": str(tmp_path)}, str(tmp_path))["problems"], "a folder is no file"
    with pytest.raises(Exception, match="is not a list of dictionaries"):
        request(["checkout"], DEPLOYED, str(tmp_path))


def test_a_store_of_all_and_what_one_key_has_of_its_own() -> None:
    store = {"type": "file", "path": "/keys/{name}", "mode": "0640"}
    entries = [{"name": "a"}, {"name": "b", "store": {"path": "/b"}}, {"name": "c", "store": {"type": "command"}}]
    request = read(entries, store=store, overlap="1h")
    assert request.problems == []
    assert request.stores == [store, {**store, "path": "/b"}, {"type": "command"}]
    assert [entry.get("store") for entry in request.rotations] == [None, {"path": "/b"}, {"type": "command"}]


def test_a_store_needs_time_to_be_read_again() -> None:
    (problem,) = read([{"name": "a", "store": {"type": "file", "path": "/a"}}]).problems
    assert problem.startswith("a: nothing says how a new value reaches the application")


def test_a_store_or_store_tasks() -> None:
    (problem,) = read(**DEPLOYED, store={"type": "file", "path": "/a"}, store_tasks="tell.yml").problems
    assert problem == "checkout: there are both a store and store_tasks for the new value. Keep one of them."

# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which host has which new value, and what follows: for any batches, and whatever the hosts noted."""

from __future__ import annotations

import json
import shlex
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.community.honeycomb.plugins.module_utils._rotation import fleet
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.fleet import Consumers, State

HOSTS = [f"web{number}" for number in range(1, 6)]


def staged(position: int) -> dict[str, Any]:
    return {"position": position, "name": f"key{position}", "new_id": f"id{position}", "key": "a secret"}


def kept(state: State) -> State:
    """As it comes back from a fact of the controller."""
    return State.from_data(json.loads(json.dumps(state.as_data())))


def test_a_key_whose_host_is_dead_is_held_back_and_no_other() -> None:
    consumers = Consumers(HOSTS, [0], {1: ["web1"], 2: ["web2", "db"]})
    dead = {"web3": "can't be reached (no route)", "db": fleet.NOT_IN_PLAY}

    choice = fleet.choose([0, 1, 2], ["key0", "key1", "key2"], consumers, dead.get)

    assert choice.create == [1]
    (first, told), (second, _told) = choice.held
    assert (first, second) == ("key0", "key2")
    assert told.startswith(
        "key0: no new key was created, since web3 can't be reached (no route). The old key is unchanged"
    )
    assert told.endswith("To rotate this key alone, add: -e api_key_rotation_only=key0")


def test_the_next_command_can_be_pasted_whatever_the_name_is() -> None:
    choice = fleet.choose([0], ["my key's"], Consumers(["web1"], [0], {}), lambda _host: "failed")
    *_rest, command = choice.held[0][1].partition("add: ")
    assert shlex.split(command) == ["-e", json.dumps({"api_key_rotation_only": ["my key's"]})]


def test_a_store_is_all_that_some_keys_need() -> None:
    assert fleet.choose([0], ["key0"], Consumers(HOSTS, [], {}), lambda _host: "dead").create == [0]


def test_each_host_gets_its_own_keys() -> None:
    consumers = Consumers(HOSTS[:2], [0], {1: ["web2"]})
    state = fleet.opened(consumers, [staged(0), staged(1), staged(2)], [])
    deployed = {"deploy_tasks": "/deploy.yml", "verify_tasks": ""}
    found = fleet.by_host(state, [deployed, deployed, {"deploy_tasks": "", "verify_tasks": ""}])
    assert {host: [key["id"] for key in keys] for host, keys in found.items()} == {
        "web1": ["id0"],
        "web2": ["id0", "id1"],
    }
    assert found["web1"] == [{"id": "id0", "name": "key0", "files": ["/deploy.yml", "flush.yml"], "verify": ""}]
    assert consumers.positions("web2") == [0, 1]
    assert consumers.positions("web1") == [0]
    assert Consumers.from_data(json.loads(json.dumps(consumers.as_data()))) == consumers
    assert "a secret" not in json.dumps(state.as_data())


notes = st.sampled_from(["", "failed (Restart)", None])


@given(
    st.lists(st.sampled_from(HOSTS), unique=True, min_size=1),
    st.lists(st.integers(1, 3), min_size=5, max_size=5),
    st.dictionaries(st.sampled_from(HOSTS), notes),
    st.sets(st.sampled_from(HOSTS)),
)
def test_a_key_is_promoted_only_when_every_host_noted_it(uses: Any, sizes: Any, noted: Any, lost: Any) -> None:
    """Batch after batch; some hosts drop out of the play before their turn."""
    state = fleet.opened(Consumers(HOSTS, [], {0: uses}), [staged(0)], [])
    left = [host for host in HOSTS if host not in lost]
    promoted, released = [], []
    for size in sizes:
        batch, left = left[:size], left[size:]
        if not batch:
            break
        verdict = fleet.judge(state, batch, left, lambda host, key_id: noted.get(host) if key_id == "id0" else None)
        promoted += verdict.promote
        released += verdict.release
        state = kept(
            fleet.closed(
                state, verdict, batch, {"failures": []}, {"report": ["It is put away."] * len(verdict.release)}
            )
        )
        assert released or fleet.ending(state, left) == ""
    everywhere = all(noted.get(host) == "" and host not in lost for host in uses)
    assert bool(promoted) == (everywhere and len(HOSTS) > len(lost))
    if len(HOSTS) > len(lost):
        assert len(promoted) + len(released) == 1, "it is decided once"
        assert bool(fleet.ending(state, [])) == bool(released)


def test_what_may_be_on_a_host_is_told_apart_from_what_nobody_has() -> None:
    state = fleet.opened(Consumers(HOSTS, [0], {1: ["db"]}), [staged(0), staged(1)], [])
    verdict = fleet.judge(state, HOSTS[:2], [], lambda host, _id: "" if host == "web1" else "failed (Copy)")
    assert [(key.id, key.maybe) for key in verdict.release] == [("id0", True), ("id1", False)]
    assert verdict.why["id0"] == (
        "the new value is not on every host: web2 failed (Copy); web3, web4, web5 took no part in this play"
    )


def test_a_value_that_is_not_in_the_store_is_not_promoted_although_no_host_needs_it() -> None:
    state = fleet.opened(Consumers(HOSTS, [], {}), [staged(0), staged(1)], [])
    verdict = fleet.judge(state, HOSTS, [], lambda _host, _id: None, {"id0": "what was read back differs (store.yml)"})
    assert [(key.id, key.maybe) for key in verdict.release] == [("id0", True)]
    assert [key.id for key in verdict.promote] == ["id1"]
    told = fleet.closed(state, verdict, HOSTS, {"failures": []}, {"report": ["It stays."]}).failures[0]
    assert told.startswith(
        "key0: the new value is not in the store: what was read back differs (store.yml). The old key stays"
    )


def test_a_host_that_was_rescued_is_not_still_to_come() -> None:
    """It failed in an earlier batch, and the play went on with it."""
    state = fleet.opened(Consumers(["web1", "web2"], [0], {}), [staged(0)], [])
    verdict = fleet.judge(state, ["web1"], ["web2"], lambda _host, _id: None)
    assert [key.id for key in verdict.release] == ["id0"]
    assert verdict.why["id0"] == "the new value is not on every host: web1 did not get through the role"


def test_what_could_not_be_promoted_or_given_up_is_told() -> None:
    state = fleet.opened(Consumers(["web1"], [0, 1], {}), [staged(0), staged(1)], [("key2", "key2: blocked.")])
    verdict = fleet.judge(state, ["web1"], [], lambda _host, key_id: "" if key_id == "id0" else "failed (Copy)")

    after = fleet.closed(state, verdict, ["web1"], {"msg": "Honeycomb is gone."}, {"msg": "Honeycomb is gone."})

    told = fleet.ending(after, [])
    assert told.startswith("key2: blocked. key1: the new value is not on every host: web1 failed (Copy).")
    assert "could not be given up, and counts as part of a run until lock_time is over: Honeycomb is gone." in told
    assert told.endswith("key0: Honeycomb is gone.")
    assert after.failed == ["key2", "key1", "key0"]


def test_a_key_that_another_run_took_over_is_left_to_it() -> None:
    state = fleet.opened(Consumers(HOSTS, [0, 1], {}), [staged(0), staged(1)], [])
    after = fleet.overtaken(state, [{"position": 0, "name": "key0", "message": "key0: taken over."}])
    assert [key.id for key in after.open] == ["id1"]
    assert fleet.ending(after, ["web5"]) == ""
    assert fleet.ending(after, []) == "key0: taken over."


def test_many_hosts_do_not_fill_the_screen() -> None:
    many = [f"host{number}" for number in range(500)]
    choice = fleet.choose([0], ["key0"], Consumers(many, [0], {}), lambda _host: "can't be reached (no route)")
    assert "host9 and 490 more can't be reached" in choice.held[0][1]

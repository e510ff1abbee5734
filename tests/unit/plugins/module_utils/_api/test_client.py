# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client against the simulator, and against servers that answer oddly."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.community.honeycomb.plugins.module_utils._api.client import Client, check_value, read_error
from ansible_collections.community.honeycomb.plugins.module_utils._api.resources import ApiKey
from ansible_collections.community.honeycomb.plugins.module_utils._errors import (
    AnswerLost,
    ApiError,
    Conflict,
    Forbidden,
    HoneycombError,
    InputError,
    NotFound,
    Unauthorized,
)
from ansible_collections.community.honeycomb.plugins.module_utils._http.pacing import WaitBudget
from ansible_collections.community.honeycomb.plugins.module_utils._http.transport import Answer, Transport
from simulator import Simulator

SECRET = "hush-hush-7"
TEAM: dict[str, Any] = {
    "data": {"id": "hcamk_1", "attributes": {"name": "n", "scopes": []}},
    "included": [{"id": "t", "type": "teams", "attributes": {"name": "T", "slug": "t"}}],
}


@pytest.fixture
def make_client() -> Iterator[Any]:
    opened = []

    def make(url: Any, management: Any = ("hcamk_1", SECRET), team: Any = None, timeout: Any = 2) -> Any:
        # Retries without the pauses between them.
        opened.append(Transport(url, timeout=timeout, budget=WaitBudget(300, sleep=lambda seconds: None)))
        return Client(opened[-1], management[0], management[1], team)

    yield make
    for transport in opened:
        transport.close()


@pytest.fixture
def client(sim: Simulator, make_client: Any) -> Any:
    return make_client(sim.url, sim.management)


def key(sim: Any, **attributes: Any) -> Any:
    wanted = {
        "id": None,
        "name": "new",
        "key_type": "ingest",
        "environment_id": sim.environments[0]["id"],
        "disabled": False,
    }
    return ApiKey(**{**wanted, **attributes})


def written(sim: Any) -> list[Any]:
    return [(request.method, request.outcome) for request in sim.requests if request.method != "GET"]


# Against the simulator


def test_every_operation_on_keys(sim: Simulator, client: Any) -> None:
    created = client.create_key(key(sim, permissions={"create_datasets": True}))
    record = sim.key(created.key.id)
    assert (created.value, created.secret) == (record.value, record.secret)
    assert client.get_key(created.key.id) == created.key
    assert client.update_key(created.key.id, {"name": "other", "disabled": True}).disabled
    assert [found.name for found in client.list_keys()] == ["other"]
    assert client.list_keys("configuration") == []
    assert client.delete_key(created.key.id)
    assert not client.delete_key(created.key.id)
    assert client.get_key(created.key.id) is None
    assert client.team == sim.team
    # One connection, and the team looked up once.
    assert {request.connection for request in sim.requests} == {1}
    assert [request.operation for request in sim.requests].count("getV2Auth") == 1


def test_every_operation_on_environments(sim: Simulator, client: Any) -> None:
    made = client.create_environment({"name": "New Place", "color": "gold"})
    assert (made.slug, made.color, made.delete_protected) == ("new-place", "gold", True)
    with pytest.raises(Conflict, match="New Place"):
        client.create_environment({"name": "New Place"})
    assert client.get_environment(made.id) == made
    with pytest.raises(Conflict):
        client.delete_environment(made.id)
    assert client.update_environment(made.id, {"settings": {"delete_protected": False}}).delete_protected is False
    assert client.delete_environment(made.id)
    assert client.get_environment(made.id) is None
    assert len(client.list_environments()) == 2


def test_lists_have_pages_of_100(sim: Simulator, client: Any) -> None:
    sim.add_keys(201)
    assert len(client.list_keys()) == 201
    assert [request.query["page[size]"] for request in sim.requests[1:]] == ["100"] * 3
    assert len({request.connection for request in sim.requests}) == 1


@pytest.mark.parametrize("effect", ["reset", "close", "truncate", "garbage", "status"])
@pytest.mark.parametrize("nth", [1, 2])
def test_reads_survive_trouble_also_within_a_list(sim: Simulator, client: Any, effect: Any, nth: Any) -> None:
    sim.add_keys(150)
    fault = sim.fail("listApiKeys", effect, nth=nth, times=3)
    assert len({found.id for found in client.list_keys()}) == 150
    assert fault.hits == 3


@pytest.mark.parametrize("effect", ["reset", "close", "truncate", "garbage", "status", "html", "hang"])
@pytest.mark.parametrize("after", [False, True])
def test_a_create_is_sent_once(sim: Simulator, make_client: Any, effect: Any, after: Any) -> None:
    client = make_client(sim.url, sim.management, timeout=0.5)
    sim.fail("createApiKey", effect, after=after, delay=1)
    with pytest.raises(AnswerLost):
        client.create_key(key(sim))
    assert len(written(sim)) == 1
    assert len(sim.keys()) == int(after)


@pytest.mark.parametrize("effect", ["reset", "close", "truncate", "garbage", "status"])
@pytest.mark.parametrize("after", [False, True])
def test_an_update_and_a_deletion_are_resolved(sim: Simulator, client: Any, effect: Any, after: Any) -> None:
    record = sim.add_key("a")
    sim.fail("updateApiKey", effect, after=after)
    assert client.update_key(record.id, {"name": "b"}).name == "b"
    # An answer to a deletion has no content that could be broken.
    sim.fail("deleteApiKey", {"truncate": "reset", "garbage": "close"}.get(effect, effect), after=after)
    # Also where the second try finds nothing: it was this task that deleted the key.
    assert client.delete_key(record.id)
    assert len(written(sim)) == 4


def test_a_service_that_is_down(sim: Simulator, client: Any) -> None:
    sim.down()
    with pytest.raises(HoneycombError) as caught:
        client.list_keys()
    assert sim.url in caught.value.message
    assert 2 <= len(sim.requests) <= 8


@pytest.mark.parametrize("shape", ["jsonapi", "problem", "legacy", "html", "empty"])
@pytest.mark.parametrize(
    ("status", "kind"), [(400, ApiError), (401, Unauthorized), (403, Forbidden), (404, NotFound), (422, ApiError)]
)
def test_errors_in_every_shape(sim: Simulator, client: Any, shape: Any, status: Any, kind: Any) -> None:
    sim.fail("getApiKey", "status", status=status, shape=shape, times=None)
    # What is not the service's own word is no verdict: a 404 of something else does not mean that a key is gone.
    if shape in ("html", "empty"):
        with pytest.raises(ApiError, match="Something other than Honeycomb") as caught:
            client.get_key("hcaik_1")
        assert not isinstance(caught.value, (Unauthorized, Forbidden, NotFound))
    elif status == 404:
        assert client.get_key("hcaik_1") is None
    else:
        with pytest.raises(kind, match="hcaik_1") as caught:
            client.get_key("hcaik_1")
        assert caught.value.title or caught.value.detail
        assert "the simulator was told to fail" in caught.value.message
    assert status == 404 or (caught.value.status == status and f"status {status}" in caught.value.message)


def test_html_404_does_not_pass_for_deleted(sim: Simulator, client: Any) -> None:
    record = sim.add_key("a")
    sim.fail("deleteApiKey", "status", status=404, shape="html", times=None)
    with pytest.raises(ApiError, match="the answer is text/html instead of JSON"):
        client.delete_key(record.id)


def test_another_team(sim: Simulator, make_client: Any) -> None:
    client = make_client(sim.url, sim.management, team="other")
    record = sim.add_key("a")
    for attempt in (client.list_keys, lambda: client.get_key(record.id), lambda: client.delete_key(record.id)):
        with pytest.raises(InputError, match="team: 'other' is not the team of .* 'simulated-team'"):
            attempt()
    assert sim.key(record.id)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda client: client.management_key(), "Looking up the management key failed: "),
        (lambda client: client.list_keys(), "Listing the team's keys failed: "),
        (lambda client: client.get_key("hcaik_1"), "Reading key hcaik_1 failed: "),
        (lambda client: client.update_key("hcaik_1", {}), "Changing key hcaik_1 failed: "),
        (lambda client: client.delete_environment("hcaen_1"), "Deleting environment hcaen_1 failed: "),
    ],
)
def test_failures_in_words(
    raw_server: Callable[..., Any], http_answer: Callable[..., bytes], make_client: Any, call: Any, words: Any
) -> None:
    server = raw_server(http_answer({"title": "Out of order", "detail": "We are on it."}, 503))
    with pytest.raises(ApiError) as caught:
        call(make_client(server.url, team="t"))
    assert caught.value.message == (
        f"{words}Out of order: We are on it (status 503). "
        f"Honeycomb, or a proxy in between, is failing; try again later (URL: {server.url})."
    )


def test_waits_in_words(raw_server: Callable[..., Any], http_answer: Callable[..., bytes], make_client: Any) -> None:
    """People read why a task waits, and don't know the service's names for its operations."""
    replies = {"/2/auth": TEAM, "/api-keys?": {"data": []}, "/environments?": {"data": []}}

    def reply(number: Any, request: Any) -> Any:
        first, content = next((path, content) for path, content in replies.items() if path in request)
        tried[first] = tried.get(first, 0) + 1
        return http_answer(content, {1: 503, 2: 429}.get(tried[first], 200), Retry_After="0.1")

    tried: dict[Any, Any] = {}
    client = make_client(raw_server(reply).url)
    client.list_keys()
    client.list_environments()
    assert sorted(client.transport.budget.reasons) == [
        "a retry after a failed request (listing environments)",
        "a retry after a failed request (listing keys)",
        "a retry after a failed request (looking up the management key (GET /2/auth))",
        "the rate limit on listing environments",
        "the rate limit on listing keys",
        "the rate limit on looking up the management key (GET /2/auth)",
    ]


# Lists that are not what they should be


def page(number: Any, following: Any, count: Any = 1) -> dict[str, Any]:
    data = [
        {
            "id": f"hcaik_{number}_{index}",
            "attributes": {"name": "a", "key_type": "ingest"},
            "relationships": {"environment": {"data": {"id": "e"}}},
        }
        for index in range(count)
    ]
    return {"data": data, "links": {"next": following}}


@pytest.mark.parametrize("kind", ["same cursor", "two cursors in turn", "same page", "empty pages"])
def test_an_endless_list_ends(
    raw_server: Callable[..., Any], http_answer: Callable[..., bytes], make_client: Any, kind: Any
) -> None:
    def reply(number: Any, request: Any) -> Any:
        if "/2/auth" in request:
            return http_answer(TEAM)
        cursor = {"same cursor": 1, "two cursors in turn": number % 2}.get(kind, number)
        content = page(number if "cursor" in kind else 1, f"/x?page[after]={cursor}", 0 if kind == "empty pages" else 1)
        return http_answer(content)

    server = raw_server(reply)
    with pytest.raises(HoneycombError, match="does not end"):
        make_client(server.url).list_keys()
    assert len(server.seen) < 30


def test_some_empty_pages_are_no_end(
    raw_server: Callable[..., Any], http_answer: Callable[..., bytes], make_client: Any
) -> None:
    def reply(number: Any, request: Any) -> Any:
        return http_answer(page(number, f"?page[after]={number}" if number < 12 else None, int(number in (1, 12))))

    assert len(make_client(raw_server(reply).url, team="t").list_keys()) == 2


def test_a_next_page_on_another_host_is_not_asked_for_there(
    raw_server: Callable[..., Any], http_answer: Callable[..., bytes], make_client: Any
) -> None:
    elsewhere = raw_server(http_answer(page(9, None)))

    def reply(number: Any, request: Any) -> Any:
        return http_answer(page(number, f"{elsewhere.url}/2/teams/t/api-keys?page[after]=abc" if number == 1 else None))

    server = raw_server(reply)
    assert len(make_client(server.url, team="t").list_keys()) == 2
    assert not elsewhere.connections
    assert re.search(r"^GET /2/teams/t/api-keys\?\S*page%5Bafter%5D=abc", server.seen[1])


@pytest.mark.parametrize("link", ["http://[bad", "/x", "/x?page=2", 5, {"href": "x"}, ["x"], "?page[after]="])
def test_a_next_page_that_makes_no_sense(
    raw_server: Callable[..., Any], http_answer: Callable[..., bytes], make_client: Any, link: Any
) -> None:
    server = raw_server(http_answer(page(1, link)))
    with pytest.raises(HoneycombError, match="not in the form that Honeycomb documents"):
        make_client(server.url, team="t").list_keys()


# Answers that are not what they should be

ODD: list[Any] = [
    None,
    [],
    {},
    {"data": None},
    {"data": 5},
    {"data": [5]},
    {"data": {}},
    {"data": [{"id": "x"}]},
    "text",
    5,
    {"data": [], "links": 5},
    {"data": [], "links": {"next": {}}, "errors": 5},
]


@pytest.mark.parametrize("body", ODD, ids=str)
def test_odd_answers(
    raw_server: Callable[..., Any], http_answer: Callable[..., bytes], make_client: Any, body: Any
) -> None:
    server = raw_server(http_answer(body))
    client = make_client(server.url, team="t")
    keyed = ApiKey(None, "n", "ingest", "e", False)
    for attempt in (
        lambda: client.get_key("k"),
        lambda: client.update_key("k", {}),
        client.management_key,
        lambda: client.get_environment("e"),
        lambda: check_value(client.transport, "value"),
    ):
        with pytest.raises(HoneycombError) as caught:
            attempt()
        assert server.url in caught.value.message
    with pytest.raises(AnswerLost):
        client.create_key(keyed)
    with pytest.raises(AnswerLost):
        client.create_environment({"name": "x"})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "id",
                    "attributes",
                    "errors",
                    "error",
                    "type_detail",
                    "title",
                    "detail",
                    "source",
                    "pointer",
                    "status",
                    "links",
                    "next",
                    "included",
                    "type",
                    "slug",
                    "scopes",
                    "team",
                    "environment",
                    "api_key_access",
                    "field",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(body=json_values, status=st.sampled_from([200, 201, 400, 401, 403, 404, 409, 422, 501]))
def test_any_json_is_understood_or_a_clear_error(
    make_client: Any, monkeypatch: pytest.MonkeyPatch, body: Any, status: Any
) -> None:
    client = make_client("http://127.0.0.1:9", team="t")
    # What any bytes become is the transport's, and tested there over sockets.
    answer = Answer(status, json.loads(json.dumps(body)), "application/json", False)
    monkeypatch.setattr(client.transport, "request", lambda *args, **options: answer)
    for attempt in (
        client.list_keys,
        lambda: client.get_key("k"),
        lambda: client.delete_key("k"),
        client.management_key,
        client.list_environments,
        lambda: client.create_key(ApiKey(None, "n", "ingest", "e", False)),
        lambda: check_value(client.transport, "value"),
    ):
        with contextlib.suppress(HoneycombError):
            attempt()


# What errors say


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            {"errors": [{"code": "c", "title": "T", "detail": "D", "source": {"pointer": "/p"}}]},
            {"code": "c", "title": "T", "detail": "D", "pointer": "/p"},
        ),
        (
            {"errors": [{"detail": "one", "source": {"parameter": "q"}}, {"detail": "two"}, {"title": "three"}]},
            {"detail": "one; two; three", "pointer": "q"},
        ),
        (
            {"errors": [{"title": "T", "source": {"header": "Authorization"}}]},
            {"title": "T", "pointer": "Authorization"},
        ),
        (
            {
                "type": "u",
                "title": "T",
                "detail": "D",
                "error": "E",
                "type_detail": [{"field": "f", "code": "c", "description": "d"}],
            },
            {"code": "u", "title": "T", "detail": "D; f: d", "pointer": "f"},
        ),
        ({"error": "E"}, {"title": "E", "detail": "E"}),
        ({}, {}),
        ([], {}),
        (None, {}),
        ("x", {}),
        ({"errors": []}, {}),
        ({"errors": "x"}, {}),
        ({"message": "x"}, {}),
        ({"title": "T", "type_detail": 5}, {"title": "T"}),
    ],
)
def test_three_shapes_of_errors(data: Any, told: Any) -> None:
    assert read_error(data) == told


def test_a_secret_that_is_echoed_is_taken_out(
    raw_server: Callable[..., Any], http_answer: Callable[..., bytes], make_client: Any
) -> None:
    echo = {
        "errors": [
            {
                "code": SECRET,
                "title": f"bad {SECRET}",
                "detail": f"Bearer hcamk_1:{SECRET}",
                "source": {"pointer": SECRET},
            }
        ]
    }
    with pytest.raises(Forbidden) as caught:
        make_client(raw_server(http_answer(echo, 403)).url, team="t").list_keys()
    assert SECRET not in str(caught.value) + str(caught.value.as_result()) + repr(caught.value)
    with pytest.raises(ApiError) as refused:
        check_value(make_client(raw_server(http_answer({"error": "no VALUE here"}, 400)).url).transport, "VALUE")
    assert "VALUE" not in str(refused.value) + str(refused.value.as_result())

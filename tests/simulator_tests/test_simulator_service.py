# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service around the operations: rate limits, clock, log, connections, faults, speed."""

from __future__ import annotations

import re
import statistics
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from werkzeug.serving import make_ssl_devcert

from simulator import Simulator

if TYPE_CHECKING:
    from simulator_tests.conftest import Client


def rate(response: requests.Response) -> tuple[int, int, float]:
    """``RateLimit`` as numbers: limit, remaining, reset."""
    found = re.fullmatch(r"limit=(\d+), remaining=(\d+), reset=([\d.]+)", response.headers["RateLimit"])
    assert found
    return int(found[1]), int(found[2]), float(found[3])


# Rate limits


@pytest.fixture(name="limited")
def fixture_limited() -> Iterator[Simulator]:
    with Simulator(rate_limit=(3, 60)) as simulator:
        yield simulator


def test_without_a_limit_there_are_no_headers(client: Client) -> None:
    assert not [name for name in client("GET", "/2/auth").headers if "rate" in name.lower()]


def test_limit_is_counted_for_each_operation_and_key(limited: Simulator, client_of: type[Client]) -> None:
    client = client_of(limited)
    answers = [client("GET", "api-keys") for _unused in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert [rate(answer)[:2] for answer in answers] == [(3, 2), (3, 1), (3, 0), (3, 0), (3, 0)]
    assert answers[0].headers["RateLimitPolicy"] == "3;w=60"
    assert answers[3].json()["errors"][0]["code"] == "rate-limited/may-retry"
    assert client("GET", "environments").status_code == 200
    assert client_of(limited, limited.add_management_key())("GET", "api-keys").status_code == 200
    limited.advance(61)
    assert client("GET", "api-keys").status_code == 200


def test_refused_writes_are_not_carried_out(limited: Simulator, client_of: type[Client]) -> None:
    client = client_of(limited)
    assert [client.create_key().status_code for _unused in range(4)] == [201, 201, 201, 429]
    assert len(limited.keys()) == 3


def test_v1_auth_is_limited_in_its_own_shape(limited: Simulator, client_of: type[Client]) -> None:
    client = client_of(limited)
    key = limited.add_key()
    answers = [client.auth(key.value) for _unused in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].json() == {"error": "Rate Limited"}
    assert answers[3].headers["Retry-After"]


@pytest.mark.parametrize("form", ["http-date", "rfc3339", "seconds"])
def test_retry_after_in_each_form_is_late_enough(form: str, client_of: type[Client]) -> None:
    with Simulator(rate_limit=(1, 60), retry_after=form) as simulator:
        client = client_of(simulator)
        client("GET", "/2/auth")
        simulator.advance(20.5)
        text = client("GET", "/2/auth").headers["Retry-After"]
        if form == "seconds":
            wait = float(text)
        elif form == "rfc3339":
            wait = (datetime.fromisoformat(text.replace("Z", "+00:00")) - simulator.now()).total_seconds()
        else:
            wait = (parsedate_to_datetime(text) - simulator.now()).total_seconds()
        assert 38 <= wait <= 41
        simulator.advance(wait)
        assert client("GET", "/2/auth").status_code == 200


@pytest.mark.parametrize("form", ["rfc3339", "seconds"])
def test_window_may_be_a_fraction(form: str, client_of: type[Client]) -> None:
    with Simulator(rate_limit=(1, 0.3), retry_after=form) as simulator:
        client = client_of(simulator)
        client("GET", "/2/auth")
        refused = client("GET", "/2/auth")
        assert (refused.status_code, refused.headers["RateLimitPolicy"]) == (429, "1;w=0.3")
        assert 0 < rate(refused)[2] <= 0.3
        time.sleep(rate(refused)[2])
        assert client("GET", "/2/auth").status_code == 200


# Clock


def test_date_header_follows_the_clock(sim: Simulator, client: Client) -> None:
    sim.advance(90 * 86400)
    date = parsedate_to_datetime(client("GET", "/2/auth").headers["Date"])
    assert timedelta(days=89, hours=23) < date - datetime.now(timezone.utc) < timedelta(days=90, hours=1)
    assert abs((sim.now() - date).total_seconds()) < 5


# The log of requests, connections


def test_log_tells_what_was_asked(sim: Simulator, client: Client) -> None:
    client("GET", "api-keys?page[size]=5")
    client.create_key(name="logged")
    client("GET", "/2/nothing")
    first, second, third = sim.requests
    assert (first.method, first.operation, first.query, first.status) == (
        "GET", "listApiKeys", {"page[size]": "5"}, 200,
    )  # fmt: skip
    assert (second.operation, second.status, second.key_id) == ("createApiKey", 201, sim.management[0])
    assert second.body["data"]["attributes"]["name"] == "logged"
    assert (third.operation, third.status) == (None, 404)
    assert [entry.number for entry in sim.requests] == [1, 2, 3]
    sim.forget_requests()
    assert sim.requests == []


def test_log_hides_what_calls_itself_a_secret(sim: Simulator, client: Client) -> None:
    client.create_key(secret="sesame", nested=[{"client_secret": "sesame"}])
    assert "sesame" not in repr(sim.requests)
    assert "(hidden)" in repr(sim.requests)


def test_unknown_routes_and_methods(client: Client) -> None:
    assert client("PUT", "api-keys").status_code == 405
    response = client("GET", "/3/auth")
    assert (response.status_code, response.json()) == (404, {"error": "not found"})


def test_connections_are_kept_and_counted(sim: Simulator, client: Client, client_of: type[Client]) -> None:
    for _unused in range(3):
        assert client("GET", "/2/auth").status_code == 200
        assert client.create_key().status_code == 201
        assert client("GET", "api-keys/none").status_code == 404
        assert client("PUT", "api-keys", data=b"x" * 5000).status_code == 405  # nothing wants to read this body
    assert sim.connections == 1
    assert {entry.connection for entry in sim.requests} == {1}
    client_of(sim)("GET", "/2/auth")
    client("GET", "/2/auth", headers={"Connection": "close"})
    client("GET", "/2/auth")
    assert sim.connections == 3


def test_chunked_bodies(sim: Simulator, client: Client) -> None:
    body = b'{"data": {"type": "environments", "attributes": {"name": "in pieces"}}}'
    headers = {"Content-Type": "application/vnd.api+json"}
    response = client("POST", "environments", data=iter([body[:10], body[10:]]), headers=headers)
    assert response.status_code == 201
    assert client("GET", "/2/auth").status_code == 200
    assert sim.connections == 1


def test_issued_secrets_are_all_there(sim: Simulator, client: Client) -> None:
    data = client.create_key().json()["data"]
    gone = sim.add_key()
    client("DELETE", f"api-keys/{gone.id}")
    other = sim.add_key(key_type="configuration")
    issued = sim.issued_secrets()
    secret = data["attributes"]["secret"]
    for expected in (secret, data["id"] + secret, gone.secret, gone.value, other.secret, sim.management[1]):
        assert expected in issued
    for secret in issued:
        assert secret not in repr(sim.keys())
        assert secret not in client("GET", "/_simulator/state").text


# Faults


def statuses(client: Client, count: int, method: str = "GET", path: str = "/2/auth") -> list[int | str]:
    """The status of each request, or the kind of failure."""
    seen: list[int | str] = []
    for _unused in range(count):
        try:
            seen.append(client(method, path).status_code)
        except requests.RequestException as error:
            seen.append("reset" if "reset by peer" in str(error) else "lost")
    return seen


def test_nth_request_fails_so_many_times(sim: Simulator, client: Client) -> None:
    fault = sim.fail("getV2Auth", effect="status", status=500, nth=2, times=2)
    assert statuses(client, 5) == [200, 500, 500, 200, 200]
    assert fault.hits == 2


def test_fault_for_ever_until_cleared(sim: Simulator, client: Client) -> None:
    sim.fail(effect="status", times=None)
    assert statuses(client, 3) == [503, 503, 503]
    sim.clear_faults()
    assert statuses(client, 1) == [200]


def test_fault_meets_only_its_operation_and_method(sim: Simulator, client: Client) -> None:
    key = sim.add_key()
    sim.fail(["createApiKey", "getAuth"], effect="status", times=None)
    sim.fail(method="DELETE", effect="status", status=500, times=None)
    assert client("GET", "api-keys").status_code == 200
    assert client.create_key().status_code == 503
    assert client.auth(key.value).status_code == 503
    assert client("DELETE", f"api-keys/{key.id}").status_code == 500
    assert sim.key(key.id) is not None


def test_intake_is_spared_unless_it_is_named(sim: Simulator, client: Client) -> None:
    key = sim.add_key()
    sim.fail(effect="close", times=None)
    assert client.event(key.value).status_code == 200
    sim.fail("createEvent", effect="status", status=500)
    assert client.event(key.value).status_code == 500
    assert sim.events[key.id] == {"accepted": 1, "refused": 0}


@pytest.mark.parametrize(
    "effect, seen",
    [
        ("reset", "reset"),
        ("close", "lost"),
        ("hang", "lost"),
        ("truncate", "lost"),
        ("garbage", 201),
        ("html", 200),
        ("redirect", 302),
        ("status", 503),
        ("down", "reset"),
    ],
)
@pytest.mark.parametrize("after", [False, True])
def test_each_effect_before_and_after(sim: Simulator, client: Client, effect: str, seen: Any, after: bool) -> None:
    sim.fail("createApiKey", effect=effect, after=after, delay=0.05)
    try:
        response = client.create_key()
        assert response.status_code == seen
        if effect in ("garbage", "html", "redirect"):
            with pytest.raises(ValueError):
                response.json()
    except requests.RequestException as error:
        assert seen == ("reset" if "reset by peer" in str(error) else "lost")
    assert len(sim.keys()) == (1 if after else 0)
    (entry,) = sim.requests
    assert (entry.fault, entry.outcome) == (effect, 201 if after else None)
    assert (entry.status is None) == (seen in ("reset", "lost") and effect != "truncate")
    sim.clear_faults()
    assert client.create_key().status_code == 201


@pytest.mark.parametrize(
    "shape, media_type",
    [
        ("jsonapi", "application/vnd.api+json"),
        ("problem", "application/problem+json"),
        ("legacy", "application/json"),
        ("html", "text/html; charset=utf-8"),
        ("empty", None),
    ],
)
def test_shapes_of_an_error(sim: Simulator, client: Client, shape: str, media_type: str | None) -> None:
    sim.fail(effect="status", status=502, shape=shape, retry_after=7)
    response = client("GET", "/2/auth")
    assert (response.status_code, response.headers.get("Content-Type")) == (502, media_type)
    assert response.headers["Retry-After"] == "7"
    assert bool(response.content) == (shape != "empty")


def test_redirect_goes_where_it_is_told(sim: Simulator, client: Client) -> None:
    sim.fail(effect="redirect", location="http://127.0.0.1:1/x")
    assert client("GET", "/2/auth").headers["Location"] == "http://127.0.0.1:1/x"


def test_slow_is_the_normal_answer_later(sim: Simulator, client: Client) -> None:
    sim.fail(effect="slow", delay=0.3)
    begin = time.monotonic()
    assert client("GET", "/2/auth").status_code == 200
    assert time.monotonic() - begin >= 0.3


def test_latency(client: Client, sim: Simulator) -> None:
    sim.latency = 0.2
    begin = time.monotonic()
    assert client("GET", "/2/auth").status_code == 200
    assert time.monotonic() - begin >= 0.2
    begin = time.monotonic()
    client.event("nobody")
    assert time.monotonic() - begin < 0.2


def test_late_is_carried_out_after_the_client_has_gone(sim: Simulator, client: Client) -> None:
    sim.fail("createApiKey", effect="late", delay=0.3)
    with pytest.raises(requests.ConnectionError):
        client.create_key(name="late")
    assert sim.keys() == []
    deadline = time.monotonic() + 5
    while not sim.keys(name="late") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(sim.keys(name="late")) == 1
    assert (sim.requests[0].status, sim.requests[0].outcome) == (None, 201)


def test_down_spares_only_intake_until_it_is_up(sim: Simulator, client: Client) -> None:
    key = sim.add_key()
    sim.fail("getV2Auth", effect="down", nth=2)
    assert statuses(client, 3) == [200, "reset", "reset"]
    assert statuses(client, 1, "GET", "api-keys") == ["reset"]
    assert statuses(client, 1, "GET", "/1/auth") == ["reset"]
    assert client.event(key.value).status_code == 200
    assert client("GET", "/_simulator/state").status_code == 200
    sim.up()
    assert statuses(client, 2) == [200, 200]


@pytest.mark.parametrize(
    "wrong", [{"effect": "explode"}, {"effect": "status", "shape": "xml"}, {"operation": "getKey"}]
)
def test_mistaken_faults_are_refused(sim: Simulator, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        sim.fail(**wrong)


def test_hanging_requests_do_not_hold_up_the_end() -> None:
    simulator = Simulator().start()
    simulator.fail(effect="hang", delay=60)
    thread = threading.Thread(target=lambda: statuses_of(simulator.url))
    thread.start()
    while not simulator.requests:
        time.sleep(0.01)
    begin = time.monotonic()
    simulator.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert time.monotonic() - begin < 3


def statuses_of(url: str) -> None:
    """One request, whose failure does not matter."""
    try:
        requests.get(url + "/2/auth", timeout=30)
    except requests.RequestException:
        pass


def test_stopped_service_is_gone_and_comes_back_as_it_was(sim: Simulator, client: Client) -> None:
    key = sim.add_key()
    assert client("GET", "/2/auth").status_code == 200
    sim.stop()
    with pytest.raises(requests.ConnectionError):
        client("GET", "/2/auth")
    sim.start()
    assert client("GET", f"api-keys/{key.id}").status_code == 200


def test_https(tmp_path: Path) -> None:
    certificate, private = make_ssl_devcert(str(tmp_path / "tls"), host="localhost")
    with Simulator(ssl_context=(certificate, private)) as simulator:
        assert simulator.url.startswith("https://127.0.0.1:")
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(simulator.url + "/2/auth", timeout=5)
        url = simulator.url.replace("127.0.0.1", "localhost")
        assert requests.get(url + "/2/auth", timeout=5, verify=certificate).status_code == 401
        simulator.fail(effect="reset")
        with pytest.raises(requests.ConnectionError):
            requests.get(url + "/2/auth", timeout=5, verify=certificate)


# Many clients, many keys, little time


def test_parallel_clients_lose_nothing(sim: Simulator, client_of: type[Client]) -> None:
    ids = []

    def work() -> None:
        client = client_of(sim)
        for _unused in range(15):
            ids.append(client.create_key().json()["data"]["id"])

    threads = [threading.Thread(target=work) for _unused in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 120
    assert sorted(key.id for key in sim.keys()) == sorted(ids)
    assert [entry.number for entry in sim.requests] == list(range(1, 121))


def test_ten_thousand_keys_list_in_linear_time(sim: Simulator, client: Client) -> None:
    def list_all() -> tuple[float, int, int]:
        begin = time.monotonic()
        path, pages = "api-keys?page[size]=100", []
        ids: set[str] = set()
        while path:
            page = client("GET", path).json()
            pages.append(page)
            ids.update(item["id"] for item in page["data"])
            path = page["links"]["next"]
        return time.monotonic() - begin, len(pages), len(ids)

    begin = time.monotonic()
    sim.add_keys(1000)
    thousand = time.monotonic() - begin
    small = min(list_all() for _unused in range(3))
    begin = time.monotonic()
    sim.add_keys(9000)
    assert time.monotonic() - begin < 36 * thousand + 1
    large = list_all()
    assert large[1:] == (100, 10_000)
    # Ten times the keys: ten times the time, with room for a busy machine; quadratic would be a hundred.
    assert large[0] < 40 * small[0] + 1


def test_a_request_takes_little_time(client: Client) -> None:
    def one() -> float:
        begin = time.perf_counter()
        client("GET", "/2/auth")
        return time.perf_counter() - begin

    # Half of it is the client; the bound is for a busy machine, yet far below the 40 ms of Nagle's delay.
    assert statistics.median(one() for _unused in range(100)) < 0.02

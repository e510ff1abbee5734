# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The transport over real sockets: what is retried, where credentials go, and what odd answers become."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.community.honeycomb.plugins.module_utils._errors import (
    AnswerLost,
    HoneycombError,
    InputError,
    ServiceUnreachable,
    WaitExceeded,
)
from ansible_collections.community.honeycomb.plugins.module_utils._http.pacing import WaitBudget
from ansible_collections.community.honeycomb.plugins.module_utils._http.transport import (
    Transport,
    bearer,
    check_api_url,
    path_segment,
    team_key,
)

SECRET = "hush-hush-7"
AUTH = bearer("hcxmk_1", SECRET)


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[Any] = []

    def __call__(self) -> Any:
        return self.now

    def sleep(self, seconds: Any) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Any:
    return Clock()


@pytest.fixture
def transport(clock: Any) -> Iterator[Any]:
    opened = []

    def make(url: Any, max_wait: Any = 300, **options: Any) -> Any:
        budget = WaitBudget(max_wait, clock, clock.sleep)
        opened.append(Transport(url, budget=budget, jitter=lambda: 1.0, **{"timeout": 2, **options}))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def get(transport: Any, **options: Any) -> Any:
    return transport.request("listApiKeys", "GET", "/2/x", auth=AUTH, **options)


def post(transport: Any, **options: Any) -> Any:
    return transport.request("createApiKey", "POST", "/2/x", auth=AUTH, body={"a": 1}, repeatable=False, **options)


# Addresses


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.honeycomb.io", "https://api.honeycomb.io"),
        (" https://api.eu1.honeycomb.io/ ", "https://api.eu1.honeycomb.io"),
        ("https://gateway.example/honeycomb//", "https://gateway.example/honeycomb"),
        ("https://gateway.example/2/honeycomb", "https://gateway.example/2/honeycomb"),
        ("https://gateway.example/v2", "https://gateway.example/v2"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("HTTP://LocalHost:1/", "HTTP://LocalHost:1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_good_addresses(url: Any, expected: Any) -> None:
    assert check_api_url(url) == expected


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://api.honeycomb.io", "https"),
        ("http://localhost.example", "https"),
        ("http://127.0.0.1.example", "https"),
        ("http://0.0.0.0", "https"),
        ("http://192.168.0.1", "https"),
        ("api.honeycomb.io", "is not an address"),
        ("", "is not an address"),
        ("ftp://api.honeycomb.io", "is not an address"),
        ("file:///etc/passwd", "is not an address"),
        ("https://", "is not an address"),
        ("https:///path", "is not an address"),
        ("https://host:port", "is not an address"),
        ("https://host:99999", "is not an address"),
        ("https://[::1", "is not an address"),
        ("https://host?x=1", "is not an address"),
        ("https://host/#x", "is not an address"),
        ("https://a b", "is not an address"),
        ("https://a\nb", "is not an address"),
        ("http://127.0.0.1\\.example", "is not an address"),
        ("https://a\ud800b", "is not an address"),
        ("https://api.honeycomb.io/2", "includes a path of the API.*Leave it off: https://api.honeycomb.io.$"),
        ("https://api.honeycomb.io/1/", "Leave it off: https://api.honeycomb.io.$"),
        ("https://api.honeycomb.io//2//", "Leave it off: https://api.honeycomb.io.$"),
        ("https://api.honeycomb.io/2/auth", "Leave it off: https://api.honeycomb.io.$"),
        ("https://api.honeycomb.io/1/auth", "Leave it off: https://api.honeycomb.io.$"),
        ("https://api.honeycomb.io/2/teams", "Leave it off: https://api.honeycomb.io.$"),
        ("https://api.honeycomb.io/2/teams/my-team/api-keys", "Leave it off: https://api.honeycomb.io.$"),
        ("https://gateway.example/honeycomb/2", "Leave it off: https://gateway.example/honeycomb.$"),
    ],
)
def test_bad_addresses(url: Any, word: Any) -> None:
    with pytest.raises(InputError, match=word) as caught:
        check_api_url(url)
    assert caught.value.message.startswith("api_url: ")


@pytest.mark.parametrize(
    "url",
    [
        "https://user:pass-word@host",
        "http://:pass-word@127.0.0.1",
        "user:pass-word@host",
        "ftp://user:pass-word@host",
        "https://user:pass-word@host:port",
    ],
)
def test_a_password_in_the_address_is_not_shown(url: Any) -> None:
    with pytest.raises(InputError) as caught:
        check_api_url(url)
    assert "pass-word" not in caught.value.message


def test_odd_hosts_fail_clearly(transport: Any, clock: Any) -> None:
    for url in (
        "https://" + "a" * 70 + ".example",
        "https://.example",
        "https://xn--\u00fc.example",
        "https://*.example",
    ):
        with pytest.raises((InputError, ServiceUnreachable), match="api_url"):
            get(transport(url))


@pytest.mark.parametrize("text", ["a/b", "..", "a?b", "\u00fc", "\ud800", "a%2Fb"])
def test_path_segments(text: Any) -> None:
    assert not set(path_segment(text)) & set("/?#\u00fc")


# Credentials go to one place


def test_redirects_are_not_followed(
    raw_server: Callable[..., Any], http_answer: Callable[..., bytes], transport: Any
) -> None:
    elsewhere = raw_server(http_answer({}))
    for status in (301, 302, 303, 307, 308):
        server = raw_server(http_answer(b"", status, Location=f"{elsewhere.url}/2/auth"))
        assert get(transport(server.url)).status == status
        assert post(transport(server.url)).status == status
    assert not elsewhere.connections


def test_netrc_and_cookies(
    raw_server: Callable[..., Any],
    http_answer: Callable[..., bytes],
    transport: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\ndefault login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    server = raw_server(http_answer({}, Set_Cookie="session=1; Path=/"))
    connection = transport(server.url)
    for auth, header in (
        (AUTH, f"Authorization: Bearer hcxmk_1:{SECRET}"),
        (team_key("value"), "X-Honeycomb-Team: value"),
    ):
        connection.request("getAuth", "GET", "/1/auth", auth=auth)
        assert header in server.seen[-1]
        assert "Basic" not in server.seen[-1]
        assert "cookie" not in server.seen[-1].lower()
    assert "Authorization" not in server.seen[-1]


@pytest.mark.parametrize("scheme", ["http", "HTTP"])
def test_proxies_do_not_see_plain_http(
    raw_server: Callable[..., Any],
    http_answer: Callable[..., bytes],
    transport: Any,
    monkeypatch: pytest.MonkeyPatch,
    scheme: Any,
) -> None:
    proxy = raw_server(http_answer({}))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = raw_server(http_answer({"from": "server"}))
    assert get(transport(server.url.replace("http", scheme))).data == {"from": "server"}
    assert not proxy.connections


def test_https_goes_through_a_proxy_without_showing_credentials(
    raw_server: Callable[..., Any],
    http_answer: Callable[..., bytes],
    transport: Any,
    monkeypatch: pytest.MonkeyPatch,
    clock: Any,
) -> None:
    proxy = raw_server(http_answer(b"no", 403))
    monkeypatch.setenv("https_proxy", proxy.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ServiceUnreachable, match="proxy"):
        get(transport("https://api.honeycomb.example"))
    assert proxy.seen[0].startswith("CONNECT api.honeycomb.example:443")
    assert SECRET not in "".join(proxy.seen)
    monkeypatch.setenv("https_proxy", "nonsense://x")
    with pytest.raises(HoneycombError, match="prox"):
        get(transport("https://api.honeycomb.example"))


def test_connection_is_reused(
    raw_server: Callable[..., Any], http_answer: Callable[..., bytes], transport: Any
) -> None:
    server = raw_server(http_answer({}))
    connection = transport(server.url)
    for _number in range(5):
        get(connection)
        post(connection)
    assert (server.connections, len(server.seen)) == (1, 10)


def test_as_many_connections_as_asked_for(
    raw_server: Callable[..., Any], http_answer: Callable[..., bytes], transport: Any
) -> None:
    barrier = threading.Barrier(3)

    def reply(number: Any, request: Any) -> Any:
        barrier.wait(5)
        return http_answer({})

    server = raw_server(reply)
    connection = transport(server.url, connections=3)
    for _round in range(2):
        threads = [
            threading.Thread(target=connection.request, args=(f"o{n}", "GET", "/2/x"), kwargs={"auth": AUTH})
            for n in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (server.connections, len(server.seen)) == (3, 6)


# Retries

BROKEN: dict[str, Any] = {
    "closed": None,
    "truncated": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nConnection: close\r\n\r\n[",
    "half a JSON": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n{",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
    "not zipped": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\nConnection: close\r\n\r\n",
    "endless head": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\nConnection: close\r\n\r\n",
    "many heads": b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 500 + b"Connection: close\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\nConnection: close\r\n\r\n{}",
    "deep JSON": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 200000\r\n\r\n"
    + b"[" * 200_000,
    "not UTF-8": b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n"\xff"',
}


@pytest.mark.parametrize("kind", sorted(BROKEN))
def test_broken_answers(
    raw_server: Callable[..., Any], http_answer: Callable[..., bytes], transport: Any, clock: Any, kind: Any
) -> None:
    broken = BROKEN[kind]
    for_ever = raw_server(broken) if broken else raw_server(lambda number, request: None)
    with pytest.raises(AnswerLost) as caught:
        get(transport(for_ever.url))
    assert len(for_ever.seen) == 8
    assert SECRET not in caught.value.message
    assert for_ever.url in caught.value.message
    assert sum(clock.pauses) <= 70

    with pytest.raises(AnswerLost):
        post(transport(for_ever.url))
    assert len(for_ever.seen) == 9  # never twice

    twice = raw_server(lambda number, request: broken if number <= 2 else http_answer({"number": number}))
    answer = get(transport(twice.url))
    assert (answer.data, answer.repeated) == ({"number": 3}, True)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_errors_of_the_service(
    raw_server: Callable[..., Any], http_answer: Callable[..., bytes], transport: Any, clock: Any, status: Any
) -> None:
    twice = raw_server(lambda number, request: http_answer(b"", status) if number <= 2 else http_answer({}))
    assert get(transport(twice.url)).ok
    assert clock.pauses == [0.5, 1.0]
    server = raw_server(http_answer({"error": "x"}, status))
    assert get(transport(server.url)).status == status
    assert len(server.seen) == 8
    assert post(transport(server.url)).status == status
    assert len(server.seen) == 9
    assert get(transport(server.url), fresh=True).status == status
    assert len(server.seen) == 10


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422])
def test_refusals_are_final(
    raw_server: Callable[..., Any], http_answer: Callable[..., bytes], transport: Any, status: Any
) -> None:
    server = raw_server(http_answer({"error": "x"}, status))
    answer = get(transport(server.url))
    assert (answer.status, answer.data, answer.repeated) == (status, {"error": "x"}, False)
    assert len(server.seen) == 1


def test_no_answer_in_time(raw_server: Callable[..., Any], transport: Any, clock: Any) -> None:
    done = threading.Event()
    server = raw_server(lambda number, request: done.wait(10) and None)
    with pytest.raises(AnswerLost, match="timeout"):
        post(transport(server.url, timeout=0.05))
    with pytest.raises(AnswerLost, match="timeout"):
        get(transport(server.url, timeout=0.05))
    assert len(server.seen) == 9
    done.set()


def test_nobody_listens(transport: Any, clock: Any) -> None:
    for attempt in (get, post):
        clock.pauses.clear()
        with pytest.raises(ServiceUnreachable, match="nothing answers at this address. Check api_url"):
            attempt(transport("http://127.0.0.1:9"))
        assert clock.pauses == [0.5, 1.0, 2.0]


def test_one_try_only_for_those_who_poll(transport: Any, clock: Any) -> None:
    with pytest.raises(ServiceUnreachable):
        get(transport("http://127.0.0.1:9"), fresh=True)
    assert not clock.pauses


@pytest.mark.parametrize("max_wait", [0, 1, 5])
def test_max_wait_bounds_retries_and_the_trouble_is_told(
    raw_server: Callable[..., Any], http_answer: Callable[..., bytes], transport: Any, clock: Any, max_wait: Any
) -> None:
    server = raw_server(lambda number, request: None)
    with pytest.raises(AnswerLost, match=r"connection broke.*max_wait") as caught:
        get(transport(server.url, max_wait))
    assert caught.value.message.lower().count("again later") == 1
    assert sum(clock.pauses) <= max_wait
    # What the service said counts for more than that the time is over.
    assert get(transport(raw_server(http_answer({"error": "x"}, 503)).url, max_wait)).data == {"error": "x"}
    assert sum(clock.pauses) <= 2 * max_wait
    with pytest.raises(ServiceUnreachable, match="nothing answers"):
        get(transport("http://127.0.0.1:9", max_wait))


@pytest.mark.parametrize("form", ["seconds", "http-date", "rfc3339", "past", "zero", "nonsense", "missing"])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after(
    raw_server: Callable[..., Any],
    http_answer: Callable[..., bytes],
    transport: Any,
    clock: Any,
    form: Any,
    status: Any,
) -> None:
    now = datetime.now(timezone.utc).replace(microsecond=0)
    then = now + timedelta(seconds=20)
    text = {
        "seconds": "20",
        "http-date": format_datetime(then, usegmt=True),
        "rfc3339": then.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "past": "Wed, 11 Feb 2015 08:15:00 GMT",
        "zero": "0",
        "nonsense": "soon, perhaps",
        "missing": None,
    }[form]
    headers = {"Date": format_datetime(now, usegmt=True), **({"Retry-After": text} if text else {})}
    server = raw_server(lambda number, request: http_answer({}, 200 if number > 1 else status, **headers))
    assert get(transport(server.url)).ok
    (pause,) = clock.pauses
    if form in ("seconds", "http-date", "rfc3339"):
        assert 18 <= pause <= 23
    elif status == 429 and form in ("nonsense", "missing"):
        assert 5 <= pause <= 6
    else:
        assert 0.01 <= pause <= 1


@pytest.mark.parametrize("text", ["999999999", "86400", "Fri, 31 Dec 9999 23:59:59 GMT", "9999-12-31T23:59:59Z"])
def test_huge_retry_after_ends_at_once(
    raw_server: Callable[..., Any], http_answer: Callable[..., bytes], transport: Any, clock: Any, text: Any
) -> None:
    server = raw_server(http_answer({}, 429, Retry_After=text))
    with pytest.raises(WaitExceeded, match="max_wait"):
        get(transport(server.url))
    with pytest.raises(WaitExceeded, match="max_wait"):
        post(transport(server.url))
    assert len(server.seen) == 2
    broken = raw_server(http_answer({}, 503, Retry_After=text))
    assert get(transport(broken.url)).status == 503
    assert len(broken.seen) == 1
    assert not clock.pauses


def test_refused_for_ever(
    raw_server: Callable[..., Any], http_answer: Callable[..., bytes], transport: Any, clock: Any
) -> None:
    for headers in ({}, {"Retry_After": "0"}):
        server = raw_server(http_answer({}, 429, **headers))
        with pytest.raises(WaitExceeded):
            get(transport(server.url))
        assert len(server.seen) < 100


def test_a_create_that_was_refused_for_its_rate_is_sent_again(
    raw_server: Callable[..., Any], http_answer: Callable[..., bytes], transport: Any, clock: Any
) -> None:
    server = raw_server(lambda number, request: http_answer({}, 429 if number == 1 else 201, Retry_After="1"))
    assert post(transport(server.url)).status == 201
    assert len(server.seen) == 2


# The clock of the service


@pytest.mark.parametrize("text", ["Wed, 11 Feb 2026 08:15:00 GMT", "Wed, 11 Feb 2026 09:15:00 +0100"])
def test_service_clock(
    raw_server: Callable[..., Any], http_answer: Callable[..., bytes], transport: Any, text: Any
) -> None:
    connection = transport(raw_server(http_answer({}, Date=text)).url)
    assert not connection.knows_service_clock
    get(connection)
    assert connection.knows_service_clock
    assert abs(connection.now() - datetime(2026, 2, 11, 8, 15, tzinfo=timezone.utc)) < timedelta(seconds=10)


@pytest.mark.parametrize("text", ["", "soon", "Fri, 31 Dec 9999 23:59:59 -0100"])
def test_odd_clocks_are_not_believed(
    raw_server: Callable[..., Any], http_answer: Callable[..., bytes], transport: Any, text: Any
) -> None:
    connection = transport(raw_server(http_answer({}, Date=text)).url)
    get(connection)
    assert abs(connection.now() - datetime.now(timezone.utc)) < timedelta(seconds=10)


# Whatever comes back


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    head=st.lists(
        st.sampled_from(
            [
                b"Content-Type: application/json",
                b"Content-Type: text/html; charset=x",
                b"Content-Length: 2",
                b"Content-Length: -1",
                b"Content-Length: x",
                b"Transfer-Encoding: chunked",
                b"Content-Encoding: gzip",
                b"Content-Encoding: br",
                b"Date: x",
                b"RateLimit: limit=a, remaining=1e9, reset=",
                b"RateLimit: limit=100, remaining=5, reset=9999999999999",
                b"Retry-After: -1",
                b"Location: //[",
                b"Set-Cookie: \xff=\xfe",
                b": x",
                b"no colon",
                b"\xff\xfe: \xfd",
            ]
        ),
        max_size=4,
    ),
    line=st.sampled_from(
        [
            b"HTTP/1.1 200 OK",
            b"HTTP/1.1 204 x",
            b"HTTP/1.0 200",
            b"HTTP/1.1 999 x",
            b"HTTP/1.1 -1 x",
            b"HTTP/1.1 99 x",
            b"HTTP/1.1 404 \xff",
            b"HTTP/9.9 200 OK",
            b"x",
            b"",
            b"HTTP/1.1 302 x",
            b"HTTP/1.1 100 x",
            b"HTTP/1.1 401 x",
        ]
    ),
    body=st.binary(max_size=20)
    | st.sampled_from([b"{}", b"null", b"[1e999]", b'{"a": NaN}', b"2\r\n{}\r\n0\r\n\r\n", b"1" * 5000]),
)
def test_any_bytes_are_an_answer_or_a_clear_error(
    raw_server: Callable[..., Any], transport: Any, head: Any, line: Any, body: Any
) -> None:
    server = raw_server(b"\r\n".join([line, b"Connection: close", *head, b"", b""]) + body)
    for attempt in (get, post):
        try:
            answer = attempt(transport(server.url, timeout=0.5), fresh=True)
        except HoneycombError as exc:
            told = exc.message
        else:
            told = json.dumps(answer.data)
        assert SECRET not in told
    assert server.connections <= 2

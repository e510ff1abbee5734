# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A request ends in time and takes no more than it may, however the other side behaves."""

from __future__ import annotations

import contextlib
import datetime
import gzip
import itertools
import socket
import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest
import urllib3.util.connection
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.community.honeycomb.plugins.module_utils._errors import (
    AnswerLost,
    HoneycombError,
    ServiceUnreachable,
)
from ansible_collections.community.honeycomb.plugins.module_utils._http import transport as _transport
from ansible_collections.community.honeycomb.plugins.module_utils._http.bounds import TooLarge, read_body
from ansible_collections.community.honeycomb.plugins.module_utils._http.pacing import WaitBudget
from ansible_collections.community.honeycomb.plugins.module_utils._http.transport import Answer, Transport, bearer

SECRET = "hush-hush-7"
AUTH = bearer("hcxmk_1", SECRET)
TIMEOUT = 0.4
# How late a request may end: machines under load are slow.
SLACK = 2.0
GOOD = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'

Talk = Callable[[socket.socket, int], None]


class Server:
    """A server that answers each request with ``talk(connection, number of the request)``.

    ``talk`` may go on for as long as the client listens. ``pause`` comes before the TLS handshake, in seconds.
    ``written`` counts the bytes that were sent with :meth:`write`.
    """

    def __init__(self, talk: Talk, context: ssl.SSLContext | None = None, pause: float = 0) -> None:
        self.talk = talk
        self.seen: list[str] = []
        self.connections = 0
        self.written = 0
        self._context = context
        self._pause = pause
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self.closed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = self._socket.accept()[0]
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self.closed.wait(self._pause)
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection:
                while head := self._request(connection):
                    self.seen.append(head)
                    self.talk(connection, len(self.seen))

    @staticmethod
    def _request(connection: socket.socket) -> str:
        """A request, head and body; empty when there is none any more."""
        data = bytearray()
        while b"\r\n\r\n" not in data:
            part = connection.recv(65536)
            if not part:
                return ""
            data += part
        length = data.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
        end = data.index(b"\r\n\r\n") + 4 + int(length or 0)
        while len(data) < end and (part := connection.recv(65536)):
            data += part
        return data.decode("latin-1")

    def drip(self, connection: socket.socket, data: bytes) -> None:
        """Send a byte at a time, each well within what requests would wait."""
        for byte in data:
            connection.sendall(bytes([byte]))
            self.closed.wait(0.05)

    def write(self, connection: socket.socket, data: bytes) -> None:
        self.written += len(data)
        connection.sendall(data)

    def close(self) -> None:
        self.closed.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    """Start servers; ``talk`` gets the server itself first."""
    started: list[Server] = []

    def start(talk: Callable[[Server, socket.socket, int], None], **options: Any) -> Server:
        started.append(Server(lambda connection, number: talk(started_one, connection, number), **options))
        started_one = started[-1]
        return started_one

    yield start
    for one in started:
        one.close()


@pytest.fixture
def transport() -> Iterator[Callable[..., Transport]]:
    opened: list[Transport] = []

    def make(url: str, **options: Any) -> Transport:
        budget = WaitBudget(300, sleep=lambda seconds: None)
        opened.append(Transport(url, budget=budget, **{"timeout": TIMEOUT, "validate_certs": False, **options}))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's side, with a certificate that nobody checks here."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(private, hashes.SHA256())
    )
    path: Path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        built.public_bytes(serialization.Encoding.PEM)
        + private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def get(transport: Transport, **options: Any) -> Answer:
    return transport.request("listApiKeys", "GET", "/2/x", auth=AUTH, **options)


def post(transport: Transport) -> Answer:
    return transport.request("createApiKey", "POST", "/2/x", auth=AUTH, body={"a": 1}, repeatable=False)


@contextlib.contextmanager
def ends_in_time(seconds: float = TIMEOUT) -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds + SLACK


# Time


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
LONG = 200  # bytes that take 10 s

DRIPS: dict[str, tuple[bytes, bytes]] = {
    "status line": (b"", b"HTTP/1.1 200 " + b"O" * LONG),
    "header": (HEAD, b"X: " + b"a" * LONG),
    "many headers": (HEAD, b"X: a\r\n" * LONG),
    "body": (HEAD + b"Content-Length: 10000\r\n\r\n", b"[" * LONG),
    "body until the end": (HEAD + b"Connection: close\r\n\r\n", b"[" * LONG),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n[\r\n" * LONG),
    "size of a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * LONG),
    "trailer": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: a\r\n" * LONG),
    "packed body": (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 10000\r\n\r\n", gzip.compress(b"[" * LONG) * 9),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * LONG),
}


@pytest.mark.parametrize("kind", sorted(DRIPS))
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_an_answer_that_drips_is_a_lost_one(
    server: Callable[..., Server],
    transport: Callable[..., Transport],
    tls: ssl.SSLContext,
    kind: str,
    secure: bool,
) -> None:
    def talk(own: Server, connection: socket.socket, number: int) -> None:
        if number > 1:
            connection.sendall(GOOD)
            return
        at_once, slowly = DRIPS[kind]
        connection.sendall(at_once)
        own.drip(connection, slowly)

    slow = server(talk, context=tls if secure else None)
    client = transport(slow.url)
    with ends_in_time(), pytest.raises(AnswerLost, match=r"no complete answer within 0\.4 s \(timeout\)"):
        post(client)
    assert len(slow.seen) == 1
    # What is left of that answer is not taken for the next one.
    assert get(client).data == {"ok": True}
    assert slow.connections > 1


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_continuing_at_full_speed_ends(
    server: Callable[..., Server], transport: Callable[..., Transport], tls: ssl.SSLContext, secure: bool
) -> None:
    def talk(own: Server, connection: socket.socket, number: int) -> None:
        while True:
            own.write(connection, b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    endless = server(talk, context=tls if secure else None)
    with ends_in_time(), pytest.raises(AnswerLost, match="timeout|larger than"):
        post(transport(endless.url))


def test_a_read_that_drips_is_repeated(server: Callable[..., Server], transport: Callable[..., Transport]) -> None:
    def talk(own: Server, connection: socket.socket, number: int) -> None:
        if number == 1:
            own.drip(connection, HEAD)
        connection.sendall(GOOD)

    slow = server(talk)
    with ends_in_time():
        answer = get(transport(slow.url))
    assert (answer.data, answer.repeated) == ({"ok": True}, True)


def test_the_time_of_one_request_is_not_taken_from_the_next(
    server: Callable[..., Server], transport: Callable[..., Transport]
) -> None:
    def talk(own: Server, connection: socket.socket, number: int) -> None:
        own.closed.wait(0.6 * TIMEOUT)
        connection.sendall(GOOD)

    slow = server(talk)
    client = transport(slow.url)
    for _number in range(3):
        assert post(client).data == {"ok": True}
    assert slow.connections == 1


def test_many_threads_end_in_time(server: Callable[..., Server], transport: Callable[..., Transport]) -> None:
    def talk(own: Server, connection: socket.socket, number: int) -> None:
        if number <= 16:
            own.drip(connection, HEAD * 9)
        connection.sendall(GOOD)

    slow = server(talk)
    client = transport(slow.url, connections=16)

    def ask(number: int) -> str:
        try:
            client.request(f"o{number}", "POST", "/2/x", auth=AUTH, body={}, repeatable=False)
        except AnswerLost as exc:
            return exc.message
        return ""

    with ThreadPoolExecutor(16) as pool, ends_in_time():
        told = list(pool.map(ask, range(16)))
        assert all("no complete answer" in message for message in told)
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(16))) == [""] * 16


def test_a_handshake_that_hangs_sends_nothing(
    server: Callable[..., Server], transport: Callable[..., Transport], tls: ssl.SSLContext
) -> None:
    silent = server(lambda own, connection, number: None, context=tls, pause=5)
    with ends_in_time(), pytest.raises(ServiceUnreachable, match=r"no connection within 0\.4 s"):
        get(transport(silent.url), fresh=True)


@pytest.mark.parametrize("kind", ["drips", "then hangs"])
def test_a_proxy_that_is_slow(
    server: Callable[..., Server],
    transport: Callable[..., Transport],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    """Also where the proxy takes its time to connect, and the TLS handshake behind it gets what is left."""

    def talk(own: Server, connection: socket.socket, number: int) -> None:
        if kind == "drips":
            own.drip(connection, b"HTTP/1.1 200 " + b"O" * LONG)
        own.closed.wait(0.7 * TIMEOUT)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        own.closed.wait(5)

    proxy = server(talk)
    monkeypatch.setenv("https_proxy", proxy.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    start = time.monotonic()
    with pytest.raises(ServiceUnreachable, match="no connection within"):
        get(transport("https://api.honeycomb.example"), fresh=True)
    assert time.monotonic() - start < 1.5 * TIMEOUT
    assert len(proxy.seen) == 1


def test_tls_through_a_proxy(
    server: Callable[..., Server],
    transport: Callable[..., Transport],
    tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def behind(own: Server, connection: socket.socket, number: int) -> None:
        if number == 2:
            own.drip(connection, HEAD)
        connection.sendall(GOOD)

    def talk(own: Server, connection: socket.socket, number: int) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection(("127.0.0.1", target.port)) as onward:
            threading.Thread(target=pump, args=(onward, connection), daemon=True).start()
            pump(connection, onward)

    def pump(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_RDWR)

    target = server(behind, context=tls)
    proxy = server(talk)
    monkeypatch.setenv("https_proxy", proxy.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    client = transport("https://api.honeycomb.example")
    assert post(client).data == {"ok": True}
    with ends_in_time(), pytest.raises(AnswerLost, match="no complete answer within"):
        post(client)
    assert post(client).data == {"ok": True}
    assert SECRET not in "".join(proxy.seen)
    assert (len(target.seen), target.connections) == (3, 2)


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[float]]:
    """A host with several addresses, where nothing answers at those of 192.0.2.0/24."""
    connect = urllib3.util.connection.create_connection

    def set_up(*found: str) -> list[float]:
        waits: list[float] = []

        def create_connection(address: tuple[str, int], timeout: float, **options: Any) -> socket.socket:
            waits.append(timeout)
            if address[0].startswith("192.0.2."):
                time.sleep(timeout)
                raise TimeoutError
            return connect(address, timeout, **options)

        def getaddrinfo(host: str, port: int, *_more: Any) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

        monkeypatch.setattr(urllib3.util.connection, "create_connection", create_connection)
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return waits

    return set_up


def test_addresses_share_the_time(
    server: Callable[..., Server], transport: Callable[..., Transport], addresses: Callable[..., list[float]]
) -> None:
    """One that is dead does not take all of it."""
    good = server(lambda own, connection, number: connection.sendall(GOOD))
    waits = addresses("192.0.2.1", "127.0.0.1")
    assert get(transport(good.url.replace("127.0.0.1", "localhost")), fresh=True).ok
    assert waits == [pytest.approx(TIMEOUT / 2, abs=0.1)] * 2
    del waits[:]
    addresses("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")
    with ends_in_time(), pytest.raises(ServiceUnreachable, match="no connection within"):
        get(transport("http://localhost:1"), fresh=True)


def test_a_handshake_has_all_the_time_that_is_left(
    server: Callable[..., Server],
    transport: Callable[..., Transport],
    addresses: Callable[..., list[float]],
    tls: ssl.SSLContext,
) -> None:
    """More than the share that its address had for connecting."""
    slow = server(lambda own, connection, number: connection.sendall(GOOD), context=tls, pause=0.3)
    waits = addresses("127.0.0.1", *(f"192.0.2.{number}" for number in range(9)))
    assert get(transport(slow.url.replace("127.0.0.1", "localhost"), timeout=1), fresh=True).ok
    assert waits == [pytest.approx(0.1, abs=0.05)]


# Size

SMALL = 256 * 1024


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """A limit that is reached soon."""
    monkeypatch.setattr(_transport, "_MOST_BYTES", SMALL)
    return SMALL


ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "body": (HEAD + b"Connection: close\r\n\r\n", b" " * 1000),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"3e8\r\n" + b" " * 1000 + b"\r\n"),
    "small chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 200),
    "size of a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 1000),
    "trailers": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: a\r\n" * 200),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
}


@pytest.mark.parametrize("kind", sorted(ENDLESS))
def test_an_answer_without_an_end(
    server: Callable[..., Server], transport: Callable[..., Transport], small: int, kind: str
) -> None:
    def talk(own: Server, connection: socket.socket, number: int) -> None:
        first, again = ENDLESS[kind]
        own.write(connection, first)
        while True:
            own.write(connection, again * 20)

    endless = server(talk)
    with ends_in_time(0), pytest.raises(AnswerLost) as caught:
        post(transport(endless.url, timeout=5))
    assert len(endless.seen) == 1
    # What nobody read lies in the buffers of the two sockets.
    assert endless.written < SMALL + 12_000_000
    assert endless.url in caught.value.message
    # Some versions of urllib3 have their own limit for the size of a chunk.
    told = "the answer is larger than" in caught.value.message
    assert told or (kind == "size of a chunk" and "connection broke" in caught.value.message)
    assert told != ("Run it again" in caught.value.message)


def test_a_size_that_is_declared_is_refused_at_once(
    server: Callable[..., Server], transport: Callable[..., Transport]
) -> None:
    def talk(own: Server, connection: socket.socket, number: int) -> None:
        if "/2/x" in own.seen[-1]:
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % next(sizes))
            own.closed.wait(5)
        connection.sendall(GOOD)

    sizes = itertools.cycle([2_000_000_000, 8 * 2**20 + 1, 10**400])
    large = server(talk)
    client = transport(large.url, timeout=5)
    with ends_in_time(0), pytest.raises(AnswerLost, match="larger than 8 MiB"):
        post(client)
    with ends_in_time(0), pytest.raises(AnswerLost, match="larger than 8 MiB"):
        get(client)
    assert len(large.seen) == 1 + 3
    assert client.request("getAuth", "GET", "/1/auth", auth=AUTH).data == {"ok": True}
    assert large.connections == 1 + 3 + 1


def packed(data: bytes, encoding: bytes = b"gzip") -> bytes:
    return HEAD + b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (encoding, len(data)) + data


def test_packed_answers(server: Callable[..., Server], transport: Callable[..., Transport], small: int) -> None:
    good = gzip.compress(b'{"ok": true}')
    large = gzip.compress(b'"' + b"a" * (small - 2) + b'"')
    answers = {
        "good": packed(good),
        "also good": packed(good, b"X-GZIP"),
        "not packed": HEAD + b"Content-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}",
        "nothing": packed(b""),
        "just not too large": packed(large),
        "a bomb": packed(gzip.compress(b"[" * (small + 1))),
        "two bombs": packed(gzip.compress(gzip.compress(b"[" * 2**23)), b"gzip, gzip"),
        "cut off": packed(good[:-9]),
        "damaged": packed(good[:12] + b"xxxx" + good[16:]),
        "not asked for": packed(b"{}", b"br"),
    }
    told: dict[str, str] = {}
    for name, answer in answers.items():
        one = server(lambda own, connection, number, answer=answer: connection.sendall(answer))
        try:
            told[name] = str(get(transport(one.url), fresh=True).data)[:12]
        except HoneycombError as exc:
            told[name] = exc.message.partition(": the answer ")[2].split(",")[0].split(".")[0]
        assert "Accept-Encoding: gzip\r\n" in one.seen[0]
    assert told == {
        "good": "{'ok': True}",
        "also good": "{'ok': True}",
        "not packed": "{}",
        "nothing": "None",
        "just not too large": "a" * 12,
        "a bomb": "is larger than 0 MiB",
        "two bombs": "can't be decompressed",
        "cut off": "can't be decompressed",
        "damaged": "can't be decompressed",
        "not asked for": "can't be decompressed",
    }


def test_a_bomb_takes_little_memory() -> None:
    class Raw:
        headers: ClassVar = {"Content-Encoding": "gzip"}

        def stream(self, size: int, decode_content: bool) -> Iterator[bytes]:
            for start in range(0, len(bomb), size):
                yield bomb[start : start + size]

    bomb = gzip.compress(bytes(2**25), 9)
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            read_body(Raw(), SMALL)
        assert tracemalloc.get_traced_memory()[1] < 4 * SMALL
    finally:
        tracemalloc.stop()


def test_the_body_of_a_redirect_is_bounded_too(
    server: Callable[..., Server], transport: Callable[..., Transport]
) -> None:
    """requests would read it by itself, to the end and unpacked, even where it does not follow."""
    answer = packed(gzip.compress(b'{"ok": true}')).replace(b"200 OK", b"302 Found\r\nLocation: /2/y")
    redirected = server(lambda own, connection, number: connection.sendall(answer))
    # Read here, so by nobody before.
    assert get(transport(redirected.url), fresh=True).data == {"ok": True}
    assert len(redirected.seen) == 1

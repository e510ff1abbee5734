# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""The bounds of one request: seconds from connecting to the last byte of the answer, and bytes of the answer.

requests bounds each read of a socket only, so an answer that drips would never end, and it does not bound an answer's
size. Here, each read and write gets the time that is left. A request is sent and its answer read by one thread, so the
bounds of a request are a thread's own, and connections find them there: see :func:`bounded`.

Two things may take longer: looking up a host's name, which can't be interrupted, and shaking hands with a SOCKS proxy.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import io
import re
import socket
import threading
import time
import typing as t
import zlib

try:
    from requests.adapters import HTTPAdapter
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
    from urllib3.util.connection import allowed_gai_family
except ImportError:  # transport.py reports it
    HTTPAdapter: t.Any = object  # type: ignore[no-redef]

if t.TYPE_CHECKING:
    from urllib3.connection import HTTPConnection as _UrllibConnection
else:
    _UrllibConnection = object

_READ_SIZE = 64 * 1024


# None of these is an OSError: urllib3 and requests would take that for a broken connection, and hide which one it was.
class TimeUp(Exception):
    """The time for this request is over."""


class TooLarge(Exception):
    """The answer is larger than anything that Honeycomb sends."""


class Unreadable(Exception):
    """The answer's compression is damaged, or none that was asked for."""


class Bounds:
    """What one request may still take. ``sent`` tells whether the service may have seen a part of it."""

    def __init__(self, seconds: float, size: int) -> None:
        self._ends = time.monotonic() + seconds
        self._room = size
        self.sent = False

    def left(self) -> float:
        """Seconds, more than 0.

        :raises TimeUp: There are none left.
        """
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeUp
        return left

    def came(self, size: int) -> None:
        """Count bytes that came over the wire: heads, framing and body alike.

        :raises TooLarge: These were too many.
        """
        self._room -= size
        if self._room < 0:
            raise TooLarge


_mine = threading.local()


@contextlib.contextmanager
def bounded(seconds: float, size: int) -> t.Iterator[Bounds]:
    """Bounds for what this thread asks for through a :class:`BoundedAdapter`."""
    _mine.bounds = bounds = Bounds(seconds, size)
    try:
        yield bounds
    finally:
        del _mine.bounds


class _Reader(io.RawIOBase):
    """What comes from a socket, until a bound is reached."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, bounds: Bounds) -> None:
        self._raw = raw
        self._sock = sock
        self._bounds = bounds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int | None:
        self._sock.settimeout(self._bounds.left())
        try:
            size = self._raw.readinto(buffer)
        except socket.timeout:
            raise TimeUp from None
        self._bounds.came(size or 0)
        return size

    def close(self) -> None:
        # The socket counts its readers, and stays open for the last one.
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock, _mine.bounds))


class _Connection(_UrllibConnection):
    """Mixed into each of urllib3's connections: see :func:`_bounded_pool`."""

    response_class = _Response

    def connect(self) -> None:
        try:
            super().connect()
        except socket.timeout:  # while shaking hands
            raise TimeUp from None

    def _new_conn(self) -> socket.socket:
        """Connect to the first of the host's addresses that answers. Each gets its share of the time that is left."""
        bounds: Bounds = _mine.bounds
        host = self._dns_host
        addresses = [host] if hasattr(self, "_socks_options") else _addresses(host, self.port)
        try:
            while True:
                self._dns_host = addresses.pop(0)
                self.timeout = bounds.left() / (len(addresses) + 1)
                try:
                    sock = super()._new_conn()
                    break
                except (ConnectTimeoutError, NewConnectionError):
                    if not addresses:
                        raise
        finally:
            self._dns_host = host
        sock.settimeout(bounds.left())
        return sock

    def _tunnel(self) -> None:
        try:
            super()._tunnel()
        finally:
            _mine.bounds.sent = False  # that was for the proxy
        self.sock.settimeout(_mine.bounds.left())

    def send(self, data: t.Any) -> None:
        if self.sock is None and self.auto_open:
            self.connect()
        if self.sock is not None:
            self.sock.settimeout(_mine.bounds.left())
        _mine.bounds.sent = True
        try:
            super().send(data)
        except socket.timeout:
            raise TimeUp from None


def _addresses(host: str, port: int | None) -> list[str]:
    """A host's addresses; its name alone where urllib3 had better look it up, and report what is wrong with it."""
    if "%" in host:  # a scope, which the address alone would lose
        return [host]
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, allowed_gai_family(), socket.SOCK_STREAM)
    except (OSError, ValueError):
        return [host]
    return list(dict.fromkeys(str(entry[4][0]) for entry in found)) or [host]


@functools.cache
def _bounded_pool(pool: t.Any) -> t.Any:
    """A kind of urllib3's connection pools, with bounded connections."""
    if issubclass(pool.ConnectionCls, _Connection):
        return pool
    connection = type(f"Bounded{pool.ConnectionCls.__name__}", (_Connection, pool.ConnectionCls), {})
    return type(f"Bounded{pool.__name__}", (pool,), {"ConnectionCls": connection})


def _bind(manager: t.Any) -> t.Any:
    manager.pool_classes_by_scheme = {
        scheme: _bounded_pool(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
    }
    return manager


class BoundedAdapter(HTTPAdapter):
    """requests' adapter, direct and through proxies. Use it within :func:`bounded` only."""

    def init_poolmanager(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _bind(self.poolmanager)

    def proxy_manager_for(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        return _bind(super().proxy_manager_for(*args, **kwargs))


def read_body(raw: t.Any, most: int) -> bytes:
    """Read and unpack the body of urllib3's answer ``raw``, which may be packed with gzip.

    Unpacked here, since urllib3 does it without a limit.

    :param most: Bytes, unpacked.
    :raises TooLarge: It has, or says that it has, more.
    :raises Unreadable: It can't be unpacked.
    """
    declared = raw.headers.get("Content-Length", "").strip()
    if re.fullmatch("[0-9]+", declared) and (len(declared) > 18 or int(declared) > most):
        raise TooLarge
    encoding = raw.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise Unreadable
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS) if encoding.endswith("gzip") else None
    raw.enforce_content_length = True  # not urllib3's default before version 2
    body = bytearray()
    came = 0
    for part in raw.stream(_READ_SIZE, decode_content=False):
        came += len(part)
        try:
            # One byte more than may be: the limit 0 would mean none.
            body += part if unpacker is None else unpacker.decompress(part, most + 1 - len(body))
        except zlib.error:
            raise Unreadable from None
        if len(body) > most:
            raise TooLarge
    if unpacker is not None and came and not unpacker.eof:
        raise Unreadable
    return bytes(body)

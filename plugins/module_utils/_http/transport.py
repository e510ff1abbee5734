# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""HTTP for the client above: one session, bounds, retries that are safe, pacing, and no word of a secret.

What it promises:

* credentials go to the configured address only: no redirect is followed, plain HTTP is for loopback addresses,
  ``.netrc`` is not read, cookies are not kept;
* a request takes no longer than ``timeout``, and an answer no more than 8 MiB: see ``bounds.py``;
* a request that may be repeated is, after connection errors, timeouts, 5xx and unreadable answers, with jittered
  back-off inside ``max_wait``; one that may not (a create) is repeated only where it certainly was not carried out;
* every answer's text stays here: only parsed JSON and the media type leave.
"""

from __future__ import annotations

import json
import random
import re
import threading
import traceback
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

from .._errors import AnswerLost, HoneycombError, InputError, ServiceUnreachable, WaitExceeded
from .._time import describe_seconds, parse_http_date
from .address import US_SERVICE, check_api_url, check_ca_path, path_segment
from .bounds import BoundedAdapter, TimeUp, TooLarge, Unreadable, bounded, read_body
from .pacing import Pacer, WaitBudget, parse_rate_limit, parse_retry_after

REQUESTS_IMPORT_ERROR: str | None
try:
    import requests
    import urllib3
    from requests import Session
    from requests.auth import AuthBase
except ImportError:
    REQUESTS_IMPORT_ERROR = traceback.format_exc()
    AuthBase: t.Any = object  # type: ignore[no-redef]
    Session: t.Any = object  # type: ignore[no-redef]
else:
    REQUESTS_IMPORT_ERROR = None

__all__ = [
    "REQUESTS_IMPORT_ERROR",
    "US_SERVICE",
    "Answer",
    "Transport",
    "bearer",
    "check_api_url",
    "path_segment",
    "team_key",
]

JSON_API = "application/vnd.api+json"

# Back-off of repeated requests, in seconds: 0.5, 1, 2 ... 30, each jittered; with eight tries about one minute.
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
_TRIES = 8
# Where nobody listens, a long wait seldom helps and a typing error is likely.
_TRIES_UNREACHABLE = 4
# An answer that is not the service's (a web page, a redirect) may be a passing trouble, or a wrong address.
_TRIES_STRANGE = 3
# A page of 100 keys has about 100 KB.
_MOST_BYTES = 8 * 1024 * 1024
_GATEWAY_TROUBLE = frozenset((500, 502, 503, 504))


@dataclass(frozen=True)
class Answer:
    """What came back.

    ``data`` is the parsed JSON body, or ``None``; ``repeated`` tells that an earlier try of this request may have been
    carried out already.
    """

    status: int
    data: t.Any
    media_type: str
    repeated: bool

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def decisive(self) -> bool:
        """Whether the service itself said what became of the request: a result or a refusal, and nothing in between."""
        if self.status == 204:
            return True
        return isinstance(self.data, dict) and (self.ok or (400 <= self.status < 500 and self.status != 408))


class _Header(AuthBase):
    """Credentials as an ``auth`` object: with one, requests does not look into ``.netrc`` for others."""

    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value

    def __call__(self, request: t.Any) -> t.Any:
        request.headers[self._name] = self._value
        return request


def bearer(key_id: str, secret: str) -> t.Any:
    """The management key's credentials, for v2."""
    return _Header("Authorization", f"Bearer {key_id}:{secret}")


def team_key(value: str) -> t.Any:
    """An ingest or configuration key's value, for v1."""
    return _Header("X-Honeycomb-Team", value)


class _OneAddress(Session):
    """A session that knows no redirects. Even where it follows none, requests reads their bodies, without a bound."""

    def get_redirect_target(self, resp: t.Any) -> None:
        return None


class _AnswerTooLarge(AnswerLost):
    """It would be as large the next time."""


class Transport:
    """One HTTP session for one task.

    :param api_url: For example ``https://api.honeycomb.io``.
    :param timeout: Seconds for each request, from connecting to the last byte of its answer.
    :param max_wait: Seconds that may be spent waiting between requests, in all.
    :param connections: How many connections may be open at once; each is reused.
    """

    def __init__(
        self,
        api_url: str = US_SERVICE,
        *,
        timeout: float = 10,
        max_wait: float = 300,
        validate_certs: bool = True,
        ca_path: str | None = None,
        connections: int = 1,
        user_agent: str = "community.honeycomb",
        budget: WaitBudget | None = None,
        jitter: t.Callable[[], float] = random.random,
    ) -> None:
        self.api_url = check_api_url(api_url)
        if validate_certs and ca_path:
            check_ca_path(ca_path)
        self._timeout = timeout
        self._verify: bool | str = (ca_path or True) if validate_certs else False
        if not validate_certs:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._jitter = jitter
        self.budget = budget or WaitBudget(max_wait)
        self._pacer = Pacer(self.budget, jitter)
        self._clock_offset: timedelta | None = None
        self._slots = threading.BoundedSemaphore(connections)
        # What the user should be told although all went well.
        self.notes: list[str] = []
        self._session = _OneAddress()
        self._session.headers.update(
            {"User-Agent": user_agent, "Accept": "application/json", "Accept-Encoding": "gzip"}
        )
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = BoundedAdapter(pool_connections=1, pool_maxsize=connections, pool_block=True)
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, adapter)
        if urlsplit(self.api_url).scheme == "http":
            # A proxy from the environment must not see what plain HTTP carries to a loopback address.
            self._session.trust_env = False

    def close(self) -> None:
        self._session.close()

    def now(self) -> datetime:
        """The service's clock, as its last answer told it; before that, this machine's. UTC."""
        local = datetime.now(timezone.utc)
        return local if self._clock_offset is None else local + self._clock_offset

    @property
    def knows_service_clock(self) -> bool:
        return self._clock_offset is not None

    def expected_wait(self, requests: t.Mapping[str, int]) -> float:
        """Seconds for which the rate limit will hold so many further requests back: see :class:`Pacer`.

        :param requests: How many of each operation, for example ``{"createApiKey": 250, "updateApiKey": 250}``.
        """
        return self._pacer.expected_wait(requests)

    def request(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        auth: t.Any,
        doing: str = "",
        params: dict[str, t.Any] | None = None,
        body: dict[str, t.Any] | None = None,
        repeatable: bool = True,
        fresh: bool = False,
    ) -> Answer:
        """Send one request, and again where that is safe.

        :param operation: The service's name for it; rate limits are counted by it.
        :param doing: What it does, for people who read why a task waits: ``listing keys``.
        :param repeatable: False for what must not be carried out twice.
        :param fresh: One try only (for callers that poll).
        :raises ServiceUnreachable: It was not carried out.
        :raises AnswerLost: It may have been carried out.
        :raises WaitExceeded: Waiting on would exceed ``max_wait``.
        """
        what = f"{method} {self.api_url}{path}"
        repeated = False
        tries = refusals = 0
        while True:
            tries += 1
            limit = 1 if fresh else _TRIES
            trouble: HoneycombError | None = None
            sent = self._pacer.before(operation, doing)
            headers: t.Mapping[str, str] | None = None
            try:
                response, content = self._send(method, path, auth, params, body, what)
                headers = response.headers
                answer = self._read(response, content, what, repeated)
            except ServiceUnreachable as exc:
                trouble, limit = exc, min(limit, _TRIES_UNREACHABLE)
            except AnswerLost as exc:
                if not repeatable:
                    raise
                trouble, repeated = exc, True
                if isinstance(exc, _AnswerTooLarge):
                    limit = min(limit, _TRIES_STRANGE)
            else:
                if answer.status == 429:
                    tries -= 1  # refused, so not carried out: only max_wait bounds this
                    # At last ever more slowly, should the service say "at once" and not mean it.
                    least = min(_LONGEST_PAUSE, 0.05 * 2 ** min(refusals, 10))
                    refusals += 1
                    self._pacer.refused(operation, max(least, self._refusal_pause(headers)))
                    continue
                if answer.status not in _GATEWAY_TROUBLE:
                    limit = min(limit, _TRIES_STRANGE)
                if answer.decisive or tries >= limit or not repeatable:
                    return answer
                repeated = True
            finally:
                self._pacer.after(operation, headers, sent)
            if trouble and tries >= limit:
                raise trouble
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (tries - 1)) * (0.5 + self._jitter() / 2)
            told = parse_retry_after(headers.get("Retry-After"), self.now()) if headers is not None else None
            try:
                self.budget.wait(max(pause, told or 0), f"a retry after a failed request ({doing or operation})")
            except WaitExceeded:
                if trouble is None:
                    return answer
                most = describe_seconds(self.budget.max_wait)
                trouble.message += f" It was not retried any longer, since this task may wait {most} in all (max_wait)."
                raise trouble from None

    def _refusal_pause(self, headers: t.Mapping[str, str]) -> float:
        """Seconds to hold an operation back after a 429."""
        pause = parse_retry_after(headers.get("Retry-After"), self.now())
        if pause is None:
            told = parse_rate_limit(headers)
            pause = told.reset if told else 5.0
        return pause

    def _send(
        self,
        method: str,
        path: str,
        auth: t.Any,
        params: dict[str, t.Any] | None,
        body: dict[str, t.Any] | None,
        what: str,
    ) -> tuple[t.Any, bytes]:
        """Send one request; return requests' answer and its body.

        :raises HoneycombError: Anything else, in words.
        """
        # The time of a request does not begin while it waits for a connection.
        with self._slots, bounded(self._timeout, _MOST_BYTES) as bounds:
            try:
                response = self._session.request(
                    method,
                    self.api_url + path,
                    auth=auth,
                    params=params,
                    data=None if body is None else json.dumps(body),
                    headers={"Content-Type": JSON_API} if body is not None else None,
                    timeout=self._timeout,
                    # Given with each request: the session's own setting loses against REQUESTS_CA_BUNDLE.
                    verify=self._verify if self._verify is not True else None,
                    allow_redirects=False,
                    stream=True,
                )
                # Closes the connection where the answer was not read to its end.
                with response:
                    return response, read_body(response.raw, _MOST_BYTES)
            except Exception as exc:
                raise _explained(exc, what, self._timeout, bounds.sent) from None

    def _read(self, response: t.Any, content: bytes, what: str, repeated: bool) -> Answer:
        date = parse_http_date(response.headers.get("Date"))
        if date is not None:
            self._clock_offset = date - datetime.now(timezone.utc)
        media_type = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
        data = None
        if content:
            try:
                data = json.loads(content)
            except (ValueError, RecursionError):
                if 200 <= response.status_code < 300 and media_type.endswith("json"):
                    raise AnswerLost(
                        f"{what}: the answer is not complete JSON.", advice="Run it again later."
                    ) from None
        return Answer(response.status_code, data, media_type, repeated)


def _explained(exc: Exception, what: str, timeout: float, sent: bool) -> Exception:
    """The error that tells in words what stopped a request; ``exc`` itself where it is none of requests' or ours.

    :param what: Its method and address.
    :param sent: The service may have seen a part of it.
    """
    within = f"within {describe_seconds(timeout)} (timeout)"
    no_connection = f"{what}: no connection {within}. Check api_url, the network and proxies."
    no_answer = f"{what}: no complete answer {within}."
    or_longer = "Run it again later, or raise timeout."
    of_urllib3 = urllib3.exceptions
    of_requests = requests.exceptions
    if isinstance(exc, TimeUp):
        return AnswerLost(no_answer, advice=or_longer) if sent else ServiceUnreachable(no_connection)
    if isinstance(exc, TooLarge):
        return _AnswerTooLarge(
            f"{what}: the answer is larger than {_MOST_BYTES // 2**20} MiB, so the rest was not read. "
            "Honeycomb does not send such answers; check api_url and proxies."
        )
    if isinstance(exc, Unreadable):
        return AnswerLost(f"{what}: the answer can't be decompressed.", advice="Run it again later.")
    if isinstance(exc, of_requests.SSLError):
        # Before version 2, urllib3 compared the names itself.
        verdict = re.search(r"certificate verify failed: ([^()]*)|(hostname '[^']*' doesn't match [^\")]*)", str(exc))
        if verdict:
            reason = (verdict.group(1) or verdict.group(2)).strip()
            return InputError(
                f"{what}: the server's certificate does not verify: {reason}. Check api_url, or name the "
                "certificate authority with ca_path; validate_certs=false is for test servers only."
            )
        if "WRONG_VERSION_NUMBER" in str(exc):
            return InputError(f"{what}: this address does not speak https. Check api_url and its port.")
        return AnswerLost(f"{what}: the TLS connection broke.", advice="Run it again later.")
    if isinstance(exc, of_requests.ConnectTimeout):
        return ServiceUnreachable(no_connection)
    if isinstance(exc, of_requests.ProxyError):
        # Some versions of urllib3 call every broken connection through a proxy so.
        kind = ServiceUnreachable if _never_connected(exc) else AnswerLost
        return kind(
            f"{what}: the proxy refused the request, or the connection through it broke. Check the proxy variables "
            "(https_proxy, no_proxy)."
        )
    if isinstance(exc, (of_requests.Timeout, of_urllib3.TimeoutError)):
        return AnswerLost(no_answer, advice=or_longer)
    if isinstance(exc, (of_requests.ConnectionError, of_requests.ChunkedEncodingError, of_urllib3.ProtocolError)):
        if _never_connected(exc):
            return ServiceUnreachable(
                f"{what}: nothing answers at this address. Check api_url, the network and proxies."
            )
        return AnswerLost(f"{what}: the connection broke before the answer was complete.", advice="Run it again later.")
    if isinstance(exc, (of_requests.InvalidURL, of_requests.InvalidSchema, of_urllib3.LocationValueError)):
        return InputError(
            f"{what}: this address, or a proxy's, is not valid ({type(exc).__name__}). Check api_url and the proxy "
            "variables (https_proxy, no_proxy)."
        )
    if isinstance(exc, (of_requests.RequestException, of_urllib3.HTTPError, ValueError)):
        return AnswerLost(f"{what}: the answer can't be read ({type(exc).__name__}).", advice="Run it again later.")
    if isinstance(exc, OSError):
        # requests reports a missing or unusable file with authorities so.
        return InputError(
            f"{what}: the certificate authorities can't be read ({type(exc).__name__}). Check ca_path, and the "
            "variables REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE."
        )
    return exc


def _never_connected(exc: BaseException) -> bool:
    """Whether the connection itself could not be made, so that nothing was sent."""
    cause: t.Any = exc.args[0] if exc.args else None
    for inner in ("reason", "original_error"):
        cause = getattr(cause, inner, cause)
    never = ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError")
    return type(cause).__name__ in never or str(cause).startswith("Tunnel connection failed")

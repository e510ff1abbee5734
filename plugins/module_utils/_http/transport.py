# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP for the client above: one session, time limits, retries that are safe, pacing, and no word of a secret.

What it promises:

* credentials go to the configured address only: no redirect is followed, plain HTTP is for loopback addresses,
  C(.netrc) is not read, cookies are not kept;
* a request that may be repeated is, after connection errors, timeouts, 5xx and unreadable answers, with jittered
  back-off inside ``max_wait``; one that may not (a create) is repeated only where it certainly was not carried out;
* every answer's text stays here: only parsed JSON and the media type leave.
"""

from __future__ import annotations

import ipaddress
import json
import os
import random
import re
import ssl
import traceback
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import quote, urlsplit

from .._errors import AnswerLost, HoneycombError, InputError, ServiceUnreachable, WaitExceeded
from .._time import describe_seconds, parse_http_date
from .pacing import Pacer, WaitBudget, parse_rate_limit, parse_retry_after

REQUESTS_IMPORT_ERROR: str | None
try:
    import requests
    import urllib3
    from requests.adapters import HTTPAdapter
except ImportError:
    REQUESTS_IMPORT_ERROR = traceback.format_exc()
    AuthBase: t.Any = object
else:
    REQUESTS_IMPORT_ERROR = None
    from requests.auth import AuthBase

US_SERVICE = "https://api.honeycomb.io"
JSON_API = "application/vnd.api+json"

# Back-off of repeated requests, in seconds: 0.5, 1, 2 ... 30, each jittered; with eight tries about one minute.
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
_TRIES = 8
# Where nobody listens, a long wait seldom helps and a typing error is likely.
_TRIES_UNREACHABLE = 4
# An answer that is not the service's (a web page, a redirect) may be a passing trouble, or a wrong address.
_TRIES_STRANGE = 3
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
    """Credentials as an ``auth`` object: with one, requests does not look into C(.netrc) for others."""

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


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_api_url(url: str) -> str:
    """Return the address without a trailing slash.

    :raises InputError: where credentials should not be sent.
    """
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname
        parts.port  # noqa: B018  pylint: disable=pointless-statement
    except ValueError:
        parts, host = urlsplit(""), None
    # Nothing that two readers of an address could understand in two ways.
    plain = re.fullmatch(r"[^\s\\\x00-\x20\x7f]+", url.strip()) and not re.search("[\ud800-\udfff]", url)
    if not plain or parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise InputError(f"api_url: {_without_user(url)!r} is not an address. Write it like {US_SERVICE}.")
    if parts.username is not None or parts.password is not None:
        raise InputError(
            "api_url: it must not hold a user or a password; use management_key_id and management_key_secret."
        )
    if parts.scheme == "http" and not _is_loopback(host):
        raise InputError(
            f"api_url: {url} would send the management key in clear text. Use https; plain http is only for loopback addresses."
        )
    return url.strip().rstrip("/")


def _without_user(url: str) -> str:
    """The address as it may be shown."""
    return url.rsplit("@", 1)[-1]


def _check_ca_path(path: str) -> None:
    """What can't be read would look like a broken connection later."""
    try:
        ssl.create_default_context(**{"capath" if os.path.isdir(path) else "cafile": path})
    except OSError as exc:
        raise InputError(
            f"ca_path: {path!r} can't be used ({exc.strerror or type(exc).__name__}). Name a file of certificates in PEM form, "
            "or a directory that OpenSSL has prepared."
        ) from None


class Transport:
    """One HTTP session for one task.

    :param api_url: For example ``https://api.honeycomb.io``.
    :param timeout: Seconds for connecting, and for each wait for the answer of one request.
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
            _check_ca_path(ca_path)
        self._timeout = timeout
        self._verify: bool | str = (ca_path or True) if validate_certs else False
        if not validate_certs:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._jitter = jitter
        self.budget = budget or WaitBudget(max_wait)
        self._pacer = Pacer(self.budget, jitter)
        self._clock_offset: timedelta | None = None
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": user_agent, "Accept": "application/json"})
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections, pool_block=True)
        self._session.mount(self.api_url + "/", adapter)
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

    def request(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        auth: t.Any,
        params: dict[str, t.Any] | None = None,
        body: dict[str, t.Any] | None = None,
        repeatable: bool = True,
        fresh: bool = False,
    ) -> Answer:
        """Send one request, and again where that is safe.

        :param operation: The service's name for it; rate limits are counted by it.
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
            sent = self._pacer.before(operation)
            headers: t.Mapping[str, str] | None = None
            try:
                response = self._send(method, path, auth, params, body, what)
                headers = response.headers
                answer = self._read(response, what, repeated)
            except ServiceUnreachable as exc:
                trouble, limit = exc, min(limit, _TRIES_UNREACHABLE)
            except AnswerLost as exc:
                if not repeatable:
                    raise
                trouble, repeated = exc, True
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
                self.budget.wait(max(pause, told or 0), f"another try of {operation} after a failed one")
            except WaitExceeded as exc:
                if trouble is None:
                    return answer
                trouble.message += f" {exc.message}"
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
    ) -> t.Any:
        try:
            return self._session.request(
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
            )
        except requests.exceptions.SSLError as exc:
            # Before version 2, urllib3 compared the names itself.
            verdict = re.search(
                r"certificate verify failed: ([^()]*)|(hostname '[^']*' doesn't match [^\")]*)", str(exc)
            )
            if verdict:
                reason = (verdict.group(1) or verdict.group(2)).strip()
                raise InputError(
                    f"{what}: the server's certificate does not verify: {reason}. Check api_url, or name the "
                    "certificate authority with ca_path; validate_certs=false is for test servers only."
                ) from None
            if "WRONG_VERSION_NUMBER" in str(exc):
                raise InputError(f"{what}: this address does not speak https. Check api_url and its port.") from None
            raise AnswerLost(f"{what}: the TLS connection broke. Run it again later.") from None
        except requests.exceptions.ConnectTimeout:
            raise ServiceUnreachable(
                f"{what}: no connection within {describe_seconds(self._timeout)}. Check api_url, the network and proxies."
            ) from None
        except requests.exceptions.ProxyError as exc:
            # Some versions of urllib3 call every broken connection through a proxy so.
            kind = ServiceUnreachable if _never_connected(exc) else AnswerLost
            raise kind(f"{what}: the proxy did not let it through, or broke off. Check the proxy variables.") from None
        except requests.exceptions.Timeout:
            raise AnswerLost(
                f"{what}: no answer within {describe_seconds(self._timeout)} (timeout). Run it again later, or raise timeout."
            ) from None
        except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError) as exc:
            if _never_connected(exc):
                raise ServiceUnreachable(
                    f"{what}: nothing answers at this address. Check api_url, the network and proxies."
                ) from None
            raise AnswerLost(
                f"{what}: the connection broke before the answer was complete. Run it again later."
            ) from None
        except (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
            urllib3.exceptions.LocationValueError,
        ) as exc:
            raise InputError(f"{what}: {type(exc).__name__}. Check api_url, and the proxy variables.") from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, ValueError) as exc:
            raise AnswerLost(f"{what}: {type(exc).__name__} while reading the answer. Run it again later.") from None
        except OSError as exc:
            # requests reports a missing or unusable file with authorities so.
            raise InputError(
                f"{what}: the certificate authorities can't be read ({type(exc).__name__}). Check ca_path, and the variables "
                "REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE."
            ) from None

    def _read(self, response: t.Any, what: str, repeated: bool) -> Answer:
        date = parse_http_date(response.headers.get("Date"))
        if date is not None:
            self._clock_offset = date - datetime.now(timezone.utc)
        media_type = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
        data = None
        if response.content:
            try:
                data = json.loads(response.content)
            except (ValueError, RecursionError):
                if 200 <= response.status_code < 300 and media_type.endswith("json"):
                    raise AnswerLost(f"{what}: the answer is not complete JSON. Run it again later.") from None
        return Answer(response.status_code, data, media_type, repeated)


def _never_connected(exc: BaseException) -> bool:
    """Whether the connection itself could not be made, so that nothing was sent."""
    cause: t.Any = exc.args[0] if exc.args else None
    for inner in ("reason", "original_error"):
        cause = getattr(cause, inner, cause)
    never = ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError")
    return type(cause).__name__ in never or str(cause).startswith("Tunnel connection failed")


def path_segment(text: str) -> str:
    """One segment of a path, whatever the user wrote."""
    return quote(text, safe="", errors="replace")

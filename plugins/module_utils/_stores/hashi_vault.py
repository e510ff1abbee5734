# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""HashiCorp Vault and OpenBao, with their KV secrets engine version 2, through hvac.

A secret is the container, and each of its fields is an entry. Beside a field ``value`` stand ``value_pending`` and
``value_previous``, each with the id of its key in ``value_pending_id`` and ``value_previous_id``: plain texts, so that
``bao kv get`` shows what is what. ``value_live_id`` tells whose value is live, see ``id_note`` in ``store.py``. One
write changes all fields together, and check-and-set makes sure that it changes what was read.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
import typing as t
from urllib.parse import quote, urlsplit

from .._errors import InputError
from .libraries import library
from .store import (
    Held,
    Publication,
    Sessions,
    Slots,
    Store,
    StoreConflict,
    StoreError,
    fingerprint,
    id_note,
    noted_id,
    outgoing,
)

R = t.TypeVar("R")

# How often a write is tried when others write to the same secret. Each try means that somebody else was faster.
TRIES = 25
# The paths of a task are written to over this many connections, at most.
CONNECTIONS = 16
NEEDED = ("create", "read", "update")
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/token"
_PENDING, _PREVIOUS, _ID = "_pending", "_previous", "_id"
_LIVE_ID = "_live_id"
# What each method of logging in can't do without. A role's secret id can be switched off in Vault.
_LOGIN = {"token": ("token",), "approle": ("role_id",), "jwt": ("role", "jwt"), "kubernetes": ("role",)}
_GIVEN = ("token", "role_id", "role_secret_id", "role", "jwt")
# OpenBao takes 1,000 texts in a request, and each field is two of them: its name and its value.
_MOST_FIELDS = 490
_CAS_FAILED = "check-and-set parameter did not match"


class HashiVaultStore(Store):
    """A secret of a KV version 2 engine. See :class:`Store`."""

    type = "hashi_vault"

    def __init__(self, options: t.Mapping[str, t.Any], timeout: float, sessions: Sessions) -> None:
        super().__init__(options, timeout, sessions)
        _check(options)
        self._mount = str(options["mount"]).strip("/")
        self._path = str(options["path"]).strip("/")
        self._settings = _Settings(options, timeout)
        self._data_path = f"{self._mount}/data/{self._path}"
        self._where = f"{self._mount}/{self._path} at {self._settings.url}"

    @property
    def entry(self) -> str:
        return _field(self.options)

    @property
    def identity(self) -> tuple[str, ...]:
        return (self.type, self._settings.url, self._settings.namespace, self._mount, self._path)

    def place(self, entry: str) -> str:
        within = f" in namespace {self._settings.namespace}" if self._settings.namespace else ""
        return f"field {entry} of {self._where}{within}"

    def probe(self, entries: t.Collection[str]) -> None:
        session = self._session()
        session.call(self._where, "log in", session.look_up)
        session.require_version_2(self._where, self._mount, self._data_path)
        found = session.capabilities(self._where, self._data_path)
        if found is not None and "root" not in found:
            lacking = [name for name in NEEDED if name not in found]
            if lacking:
                raise StoreError(
                    f"{self._where} can't be written: the token lacks {', '.join(lacking)} on {self._data_path}. "
                    "Nothing was written.",
                    advice=_policy(self._data_path),
                )
        fields, _version = self._load()
        # A new value takes three: the live one, and the pending one with its id.
        new = sum(3 for entry in entries if _text(fields.get(entry)) is None)
        if new and len(fields) + new > _MOST_FIELDS:
            raise StoreError(
                f"{self._where} can't hold the values of so many keys: OpenBao takes about {_MOST_FIELDS} fields, it "
                f"has {len(fields)}, and {new} more are needed. Nothing was written.",
                advice="Put {name} into path, so that each key has a secret of its own.",
            )

    def read(self, entries: t.Collection[str]) -> dict[str, Slots]:
        fields, version = self._load()
        return {entry: _slots(fields, entry, version) for entry in entries}

    def stage(self, values: t.Mapping[str, Held]) -> None:
        def change(fields: dict[str, t.Any]) -> None:
            for entry, held in values.items():
                _put(fields, entry + _PENDING, held)

        self._change(change)

    def publish(self, values: t.Mapping[str, Publication]) -> None:
        def change(fields: dict[str, t.Any]) -> None:
            for entry, publication in values.items():
                live = _text(fields.get(entry))
                if live not in (publication.new.value, publication.expected):
                    raise StoreConflict(
                        f"{self.place(entry)}: another value is live than the one that was read, so somebody else "
                        "changed it meanwhile. Nothing was written. Look who writes there, then run the task again."
                    )
                if live is not None and live != publication.new.value:
                    note, previous = fields.get(entry + _LIVE_ID), _held(fields, entry + _PREVIOUS)
                    _put(fields, entry + _PREVIOUS, outgoing(live, publication, note, previous))
                fields[entry] = publication.new.value
                # Where it is live already, only this may be new.
                note = id_note(publication.new)
                if note:
                    fields[entry + _LIVE_ID] = note

        self._change(change)

    def settle(self, key_ids: t.Mapping[str, str]) -> None:
        def change(fields: dict[str, t.Any]) -> None:
            for entry, key_id in key_ids.items():
                pending = _held(fields, entry + _PENDING)
                if pending and pending.key_id == key_id:
                    _put(fields, entry + _PENDING, None)

        self._change(change)

    # -- the secret as a whole -------------------------------------------------------------------------------------

    def _load(self) -> tuple[dict[str, t.Any], int]:
        """The fields and the version of the secret. Where it is deleted, there are no fields, but a version."""
        session = self._session()
        session.require_version_2(self._where, self._mount, self._data_path)
        try:
            answer = session.call(
                self._where,
                "read",
                lambda client: client.secrets.kv.v2.read_secret_version(
                    self._path, mount_point=self._mount, raise_on_deleted_version=True
                ),
                self._data_path,
            )
        except _NotThere as exc:
            answer = exc.answer
        try:
            data = answer["data"]
            return dict(data["data"] or {}), int(data["metadata"]["version"])
        except (KeyError, TypeError, ValueError):
            raise StoreError(
                f"{self._where} did not answer a read as a KV version 2 engine does. Nothing was written.",
                advice="Check store.url and store.mount.",
            ) from None

    def _change(self, change: t.Callable[[dict[str, t.Any]], None]) -> None:
        """Read, change, and write if nobody else wrote meanwhile; from the beginning where somebody did."""
        for _number in range(TRIES):
            fields, version = self._load()
            wanted = dict(fields)
            change(wanted)
            if wanted == fields or self._write(wanted, version):
                return
            time.sleep(random.uniform(0, 0.05))  # so that two who write at the same time don't stay in step
        raise StoreError(
            f"{self._where} is changed by others all the time: {TRIES} tries to write it came too late. Nothing was "
            "written. Look who writes there, then run the task again."
        )

    def _write(self, fields: dict[str, t.Any], version: int) -> bool:
        """Write a new version. False where ``version`` is no longer the latest one."""
        try:
            self._session().call(
                self._where,
                "write",
                lambda client: client.secrets.kv.v2.create_or_update_secret(
                    self._path, secret=fields, cas=version, mount_point=self._mount
                ),
                self._data_path,
                hidden=[value for value in fields.values() if isinstance(value, str)],
            )
        except _Overtaken:
            return False
        return True

    def _session(self) -> _Session:
        _library("hvac")
        return self.sessions.get((self.type, *self._settings.identity), lambda: _Session(self._settings))


class _NotThere(StoreError):
    """There is no secret, or its latest version is deleted.

    :param answer: As if it had been read, with no fields.
    """

    def __init__(self, message: str, answer: t.Any) -> None:
        super().__init__(message)
        self.answer = answer


class _Overtaken(StoreError):
    """Check-and-set refused a write, since another one came before."""


class _Settings:
    """How a server is reached, and as whom."""

    def __init__(self, options: t.Mapping[str, t.Any], timeout: float) -> None:
        parts = urlsplit(str(options["url"]))
        self.url = parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower()).geturl().rstrip("/")
        found = options.get("namespace") or os.environ.get("VAULT_NAMESPACE") or os.environ.get("BAO_NAMESPACE")
        self.namespace = str(found or "").strip("/")
        self.method = str(options["auth_method"])
        self.mount = str(options.get("auth_mount") or self.method).strip("/")
        # What comes out of a file often ends with a newline.
        self.given = {name: str(options.get(name) or "").strip() or None for name in _GIVEN}
        self.verify = options["validate_certs"] and (options.get("ca_path") or True)
        self.timeout = timeout

    @property
    def identity(self) -> tuple[str, ...]:
        given = [fingerprint(value) if value else "" for value in self.given.values()]
        return (self.url, self.namespace, self.method, self.mount, str(self.verify), *given)


class _Session:
    """One login at one server, and the requests that are made with it. Several threads may use it."""

    def __init__(self, settings: _Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._version_2: set[str] = set()
        self._attempts = 0
        self._failure: StoreError | None = None
        self._errors = _library("hvac").exceptions
        requests = _library("requests")
        self._no_connection = requests.exceptions.RequestException
        http = requests.Session()
        for scheme in ("http://", "https://"):
            http.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS))
        http.verify = settings.verify  # hvac takes it from the session, where one is given
        self._client = _library("hvac").Client(
            url=settings.url,
            # Without one, hvac would look for a token by itself. A login needs none.
            token=settings.given["token"] if settings.method == "token" else "",
            namespace=settings.namespace or None,
            verify=settings.verify,
            timeout=settings.timeout,
            session=http,
        )

    def call(
        self,
        where: str,
        doing: str,
        request: t.Callable[[t.Any], R],
        data_path: str = "",
        hidden: t.Sequence[str] = (),
    ) -> R:
        """Make one request, logged in; once more where the login ended meanwhile.

        :param where: The place, for messages.
        :param doing: What it is for: ``log in``, ``read`` or ``write``.
        :param data_path: The path that a policy must allow.
        :param hidden: Texts that no message may hold.
        """
        token = self._log_in()
        try:
            return self._once(where, doing, request, data_path, hidden)
        except _Refused as exc:
            if self._settings.method == "token":
                raise self._tell_expired(exc) from None
        self._log_in(instead_of=token)
        return self._once(where, doing, request, data_path, hidden)

    def look_up(self, client: t.Any) -> None:
        """Whether the token is valid. That it may not ask is no answer: policies without ``default`` forbid it."""
        try:
            client.auth.token.lookup_self()
        except self._errors.Forbidden:
            pass

    def capabilities(self, where: str, data_path: str) -> list[str] | None:
        """What the token may do; ``None`` where it may not ask for that."""
        try:
            answer = self.call(where, "read", lambda client: client.sys.get_capabilities([data_path]))
            return list(answer["data"][data_path])
        except (_Refused, _NotThere, KeyError, TypeError):
            return None

    def require_version_2(self, where: str, mount: str, data_path: str) -> None:
        """Refuse version 1 of the engine.

        It has no check-and-set, and would store the whole request of a write as a secret of another name. Asked once
        for each mount, as the server's own command line does; whoever may use anything in a mount may ask.
        """
        if mount in self._version_2:
            return
        try:
            answer = self.call(where, "read", lambda client: client.read(f"sys/internal/ui/mounts/{quote(mount)}"))
        except (_Refused, _NotThere):
            # This needs no permission of its own: the token has none in this mount, or there is no such mount.
            raise StoreError(
                f"{where} can't be used: there is no secrets engine at {mount}/, or the token has no permission in it. "
                "Nothing was written.",
                advice=f"Check store.mount, and that the token is valid. {_policy(data_path)}",
            ) from None
        try:
            kind, options = answer["data"]["type"], answer["data"].get("options") or {}
        except (AttributeError, KeyError, TypeError):
            raise StoreError(
                f"{where}: what answers there is neither Vault nor OpenBao. Nothing was written.",
                advice="Check store.url.",
            ) from None
        if kind != "kv" or options.get("version") != "2":
            found = f"is a KV engine version {options.get('version') or 1}" if kind == "kv" else f"is of type {kind}"
            raise StoreError(
                f"{where} can't be used: the secrets engine at {mount}/ {found}. It has no check-and-set, so a value "
                "could get lost there. Nothing was written.",
                advice=f"Upgrade it with 'bao kv enable-versioning {mount}/' or 'vault kv enable-versioning {mount}/', "
                "or name another store.mount.",
            )
        self._version_2.add(mount)

    # -- logging in ------------------------------------------------------------------------------------------------

    def _log_in(self, instead_of: str | None = None) -> str:
        """The token to use. Where several threads wait for one login, all of them get its failure too.

        :param instead_of: A token that was refused.
        """
        attempts = self._attempts
        with self._lock:
            token = str(self._client.token or "")
            if token and token != instead_of:
                return token
            if attempts != self._attempts and self._failure:
                raise StoreError(self._failure.cause, advice=self._failure.advice)
            self._failure = None
            try:
                self._once(self._settings.url, "log in", self._login_request(), hidden=self._secrets())
            except StoreError as exc:
                self._failure = exc
                raise
            finally:
                self._attempts += 1
            return str(self._client.token)

    def _login_request(self) -> t.Callable[[t.Any], t.Any]:
        given, mount = self._settings.given, self._settings.mount
        if self._settings.method == "approle":
            return lambda client: client.auth.approle.login(
                given["role_id"], secret_id=given["role_secret_id"], mount_point=mount
            )
        if self._settings.method == "jwt":
            return lambda client: client.auth.jwt.jwt_login(given["role"], given["jwt"], path=mount)
        jwt = given["jwt"] or _service_account()
        return lambda client: client.auth.kubernetes.login(given["role"], jwt, mount_point=mount)

    def _secrets(self) -> list[str]:
        given = self._settings.given
        return [str(given[name]) for name in ("token", "role_secret_id", "jwt") if given[name]]

    # -- errors ----------------------------------------------------------------------------------------------------

    def _once(
        self, where: str, doing: str, request: t.Callable[[t.Any], R], data_path: str = "", hidden: t.Sequence[str] = ()
    ) -> R:
        """One request, with every failure as a :class:`StoreError`. hvac's own exceptions hold what the server said,
        so that they are never chained."""
        deadline = time.monotonic() + self._settings.timeout
        pause = 0.1
        while True:
            try:
                return request(self._client)
            except self._errors.RateLimitExceeded:
                # A quota of the server. Its answer does not say how long to wait, as far as hvac tells.
                if time.monotonic() + pause > deadline:
                    raise StoreError(
                        f"{where}: a rate limit quota of the server let no request through for "
                        f"{self._settings.timeout:g} s. {_state(doing, False)}",
                        advice="Run the task again later, or raise the quota.",
                    ) from None
                time.sleep(pause)
                pause = min(2 * pause, 1.0)
            except self._errors.VaultError as exc:
                raise self._translated(exc, where, doing, data_path, [*hidden, *self._secrets()]) from None
            except self._no_connection as exc:
                raise self._unreachable(exc, where, doing) from None
            except (AttributeError, KeyError, TypeError, ValueError):
                raise StoreError(
                    f"{where}: what answers there is neither Vault nor OpenBao. {_state(doing, True)}",
                    advice="Check store.url.",
                ) from None

    def _translated(self, exc: t.Any, where: str, doing: str, data_path: str, hidden: t.Collection[str]) -> StoreError:
        errors = self._errors
        said = " ".join(", ".join(exc.errors or ()).split())
        words = f" The server says: {said[:300]}." if said and not any(text and text in said for text in hidden) else ""
        state = _state(doing, False)
        if isinstance(exc, errors.InvalidRequest) and _CAS_FAILED in said:
            return _Overtaken(f"{where} was changed by somebody else.")
        not_let_in = (errors.InvalidRequest, errors.Forbidden, errors.Unauthorized, errors.InvalidPath)
        if doing == "log in" and isinstance(exc, not_let_in):
            return StoreError(
                f"{where} refuses to log in with {self._settings.method} at auth/{self._settings.mount}. "
                f"Nothing was written.{words}",
                advice="Check store.auth_method, store.auth_mount, store.namespace and the credentials.",
            )
        if isinstance(exc, errors.InvalidPath) and not said:
            answer = exc.json if isinstance(exc.json, dict) and exc.json.get("data") else None
            return _NotThere(f"{where} does not exist.", answer or {"data": {"data": {}, "metadata": {"version": 0}}})
        if isinstance(exc, (errors.Forbidden, errors.Unauthorized)):
            return _Refused(
                f"{where} refuses to {doing} it: permission denied. {state}", advice=_policy(data_path) or words.strip()
            )
        if isinstance(exc, errors.VaultDown):
            sealed = "sealed" in said
            return StoreError(
                f"{where} can't be reached: the server {'is sealed' if sealed else 'is not available (503)'}. {state}",
                advice=f"{'Unseal it' if sealed else 'See that it has an active node'}, then run the task again.",
            )
        if isinstance(exc, errors.VaultNotInitialized):
            return StoreError(
                f"{where} can't be reached: the server is not initialized. {state}",
                advice="Initialize it, then run the task again.",
            )
        unknown = isinstance(exc, (errors.InternalServerError, errors.BadGateway, errors.UnexpectedError))
        return StoreError(
            f"{where}: the server could not {doing} ({type(exc).__name__}). {_state(doing, unknown)}{words}",
            advice="Look into the server's log, then run the task again.",
        )

    def _unreachable(self, exc: Exception, where: str, doing: str) -> StoreError:
        found = _library("requests").exceptions
        url = self._settings.url
        if isinstance(exc, found.SSLError):
            return StoreError(
                f"{where} can't be reached: the certificate of {url} is not trusted, or TLS failed. "
                f"{_state(doing, False)}",
                advice="Set store.ca_path to the certificate of the authority that signed it.",
            )
        if isinstance(exc, found.Timeout):
            return StoreError(
                f"{where}: {url} did not answer within {self._settings.timeout:g} s. {_state(doing, True)}",
                advice="See that the server works, then run the task again: it goes on from where this one stopped.",
            )
        return StoreError(
            f"{where} can't be reached: no connection to {url}, or it broke ({type(exc).__name__}). "
            f"{_state(doing, True)}",
            advice="Check store.url and that the server runs, then run the task again.",
        )

    def _tell_expired(self, exc: StoreError) -> StoreError:
        """The same refusal, with what can be found out about the token."""
        try:
            self._client.auth.token.lookup_self()
        except self._errors.Forbidden:
            return _Refused(
                exc.cause,
                advice=f"The token has expired or was revoked, or its policies do not allow this. {exc.advice}",
            )
        except Exception:  # pylint: disable=broad-except
            pass  # the first refusal is what matters
        return exc


class _Refused(StoreError):
    """403: the token is not valid any more, or its policies do not allow this."""


# -- fields ------------------------------------------------------------------------------------------------------------


def _field(options: t.Mapping[str, t.Any]) -> str:
    return str(options.get("field") or "value")


def _slots(fields: t.Mapping[str, t.Any], entry: str, version: int) -> Slots:
    live = _text(fields.get(entry))
    return Slots(
        live=live,
        pending=_held(fields, entry + _PENDING),
        previous=_held(fields, entry + _PREVIOUS),
        version=None if live is None else str(version),
        live_id=noted_id(fields.get(entry + _LIVE_ID), live),
    )


def _text(value: t.Any) -> str | None:
    """A field as text: others may have stored a number or more there."""
    if value in (None, ""):
        return None
    return value if isinstance(value, str) else json.dumps(value)


def _held(fields: t.Mapping[str, t.Any], name: str) -> Held | None:
    value = _text(fields.get(name))
    return None if value is None else Held(value, _text(fields.get(name + _ID)))


def _put(fields: dict[str, t.Any], name: str, held: Held | None) -> None:
    """Set, or remove, a value and the id of its key."""
    for field, value in ((name, held and held.value), (name + _ID, held and held.key_id)):
        fields.pop(field, None)
        if value:
            fields[field] = value


# -- options and messages ----------------------------------------------------------------------------------------------


def _check(options: t.Mapping[str, t.Any]) -> None:
    """Refuse what can't work, before anything is asked."""
    if urlsplit(str(options["url"])).scheme.lower() not in ("http", "https"):
        raise InputError(f"store.url: {options['url']!r} has to begin with https:// or http://.")
    for name in ("mount", "path"):
        parts = str(options[name]).strip("/").split("/")
        if any(part in ("", ".", "..") for part in parts):
            raise InputError(
                f"store.{name}: {options[name]!r} has a part that is empty, '.' or '..'. Write it in full."
            )
    field = _field(options)
    if field.endswith((_PENDING, _PREVIOUS, _PENDING + _ID, _PREVIOUS + _ID, _LIVE_ID)):
        raise InputError(
            f"store.field: {field!r} is a name that this store uses itself, beside the field of another value. "
            "Choose another one."
        )
    for name in _LOGIN[str(options["auth_method"])]:
        if not options.get(name):
            raise InputError(f"store.{name} is missing: auth_method {options['auth_method']} needs it.")


def _policy(data_path: str) -> str:
    """What a policy has to hold."""
    if not data_path:
        return ""
    capabilities = ", ".join(f'"{name}"' for name in NEEDED)
    return f'A policy of the token needs: path "{data_path}" {{ capabilities = [{capabilities}] }}.'


def _state(doing: str, unknown: bool) -> str:
    if doing == "write" and unknown:
        return "Whether the write arrived is not known."
    return "Nothing was written."


def _service_account() -> str:
    """The token that Kubernetes gives to a pod. It is replaced from time to time, so it is read at each login."""
    try:
        with open(SERVICE_ACCOUNT, encoding="utf-8") as file:
            return file.read().strip()
    except OSError as exc:
        raise StoreError(
            f"auth_method kubernetes: the token of the pod's service account can't be read from {SERVICE_ACCOUNT} "
            f"({exc.strerror}). Nothing was written.",
            advice="Run this where a service account's token is mounted, or give one with store.jwt.",
        ) from None


def _library(name: str) -> t.Any:
    return library(name, HashiVaultStore.type, "'hvac>=1.1'")

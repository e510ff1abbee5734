# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``Simulator``: a running service, and everything that tests do with it."""

from __future__ import annotations

import threading
from collections.abc import Collection
from datetime import datetime
from typing import Any

from . import records
from .api import Api, V1Auth
from .clock import Clock
from .control import blueprint
from .faults import Fault, Faults
from .intake import Intake, Refusal
from .limits import RateLimits
from .records import Environment, Key
from .store import TEAM, Store
from .web import Gateway, Request, Server


class Simulator:
    """A simulated Honeycomb on a loopback address: a context manager, or use ``start()`` and ``stop()``.

    - ``port``: 0 takes a free one
    - ``latency``: seconds before every answer except those of event intake
    - ``rate_limit``: ``(requests, seconds)`` for each operation and key; None: no limit and no headers
    - ``retry_after``: the format of Retry-After: ``http-date``, ``rfc3339`` or ``seconds``
    - ``region``: the third character of every id
    - ``environments``: the names of the environments to start with
    - ``signals_on_update``: whether a PATCH can change ``manage_signals``, which Honeycomb documents for creation only
    - ``ssl_context``: ``(certificate file, key file)`` to speak HTTPS
    """

    team = TEAM

    def __init__(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        latency: float = 0.0,
        rate_limit: tuple[int, float] | None = None,
        retry_after: str = "http-date",
        region: str = "x",
        environments: Collection[str] = ("Production", "Staging"),
        signals_on_update: bool = True,
        ssl_context: tuple[str, str] | None = None,
    ) -> None:
        self._clock = Clock()
        self._store = Store(self._clock, region)
        self._limits = RateLimits(self._clock, rate_limit, retry_after)
        self._faults = Faults()
        self._gateway = Gateway(self._clock, self._faults)
        self._gateway.latency = latency
        self._address = (host, port)
        self._ssl_context = ssl_context
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        api = Api(self._store, self._limits, signals_on_update)
        for name, operation in api.operations.items():
            self._gateway.add(name, operation.method, operation.path, api.carry_out)
        self._gateway.add("getAuth", "GET", "/1/auth", V1Auth(self._store, self._limits).carry_out)
        self._intake = Intake(self._store)
        for name, operation in self._intake.operations.items():
            self._gateway.add(name, operation.method, operation.path, operation.run, intake=True)
        self._gateway.app.register_blueprint(blueprint(self))
        self.management = self.add_management_key()
        for name in environments:
            self.add_environment(name)

    # Running

    def start(self) -> Simulator:
        """Listen, and serve in a thread of its own."""
        self._gateway.stopping.clear()
        self._server = Server(*self._address, self._gateway, self._ssl_context)
        # When started again after a stop, it keeps its address.
        self._address = (self._address[0], self._server.port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="simulator", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close the port and all connections, but keep everything that is stored."""
        if self._server is None or self._thread is None:
            return
        self._gateway.stopping.set()
        self._server.stop()
        if self._thread:
            self._thread.join()
        self._server = None

    def __enter__(self) -> Simulator:
        return self if self._server else self.start()

    def __exit__(self, *_unused: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        return self._address[1]

    @property
    def url(self) -> str:
        return f"{'https' if self._ssl_context else 'http'}://{self._address[0]}:{self.port}"

    def environment_variables(self, management: tuple[str, str] | None = None) -> dict[str, str]:
        """What clients need; ``management`` is a management key's ``(id, secret)``, by default one with all scopes."""
        key_id, secret = management or self.management
        return {
            "HONEYCOMB_KEY_ID": key_id,
            "HONEYCOMB_KEY_SECRET": secret,
            "HONEYCOMB_API_ENDPOINT": self.url,
        }

    # State

    def add_management_key(
        self, scopes: Collection[str] = records.SCOPES, name: str = "management", disabled: bool = False
    ) -> tuple[str, str]:
        """Returns its ``(id, secret)``."""
        key = self._store.add_management_key(tuple(scopes), name, disabled)
        return key.id, key.secret

    def add_environment(self, name: str, **attributes: Any) -> dict[str, Any]:
        """``attributes``: description, color, delete_protected. Returns those, and id, name and slug."""
        environment = self._store.add_environment(name, **attributes)
        return self._environment(environment)

    @staticmethod
    def _environment(environment: Environment) -> dict[str, Any]:
        wanted = ("id", "name", "slug", "description", "color", "delete_protected")
        return {name: getattr(environment, name) for name in wanted}

    @property
    def environments(self) -> list[dict[str, Any]]:
        return [self._environment(environment) for environment in self._store.environments]

    def add_key(
        self,
        name: str = "key",
        key_type: str = "ingest",
        environment: str | None = None,
        disabled: bool = False,
        permissions: dict[str, bool] | None = None,
        created: datetime | None = None,
        updated: datetime | None = None,
        time_to_live: datetime | None = None,
    ) -> Key:
        """Add a key that counts as old for propagation. ``environment``: slug, id or name, by default the first one."""
        if key_type not in records.KEY_TYPES:
            raise ValueError(f"unknown key type {key_type!r}")
        unknown = set(permissions or {}) - set(records.PERMISSIONS[key_type])
        if unknown:
            raise ValueError(f"unknown permissions: {', '.join(sorted(unknown))}")
        place = self._store.environment(environment)
        if place is None:
            raise ValueError(f"unknown environment {environment!r}")
        key = self._store.add_key(
            name, key_type, place, disabled, permissions, created, updated, time_to_live, settled=True
        )
        return key.snapshot()

    def add_keys(self, count: int, name: str = "key {number}", **attributes: Any) -> list[Key]:
        """Add many similar keys; ``{number}`` in the name counts from 1."""
        return [self.add_key(name.format(number=number), **attributes) for number in range(1, count + 1)]

    def keys(self, name: str | None = None, environment: str | None = None) -> list[Key]:
        """The keys that exist now, oldest first; ``environment``: slug, id or name."""
        place = self._store.environment(environment) if environment is not None else None
        with self._store.lock:
            return [
                key.snapshot()
                for key in self._store.keys
                if name in (None, key.name)
                and (environment is None or (place is not None and key.environment_id == place.id))
            ]

    def key(self, key_id: str) -> Key | None:
        with self._store.lock:
            key = self._store.keys.get(key_id)
            return key.snapshot() if key else None

    def update_key(
        self,
        key_id: str,
        name: str | None = None,
        disabled: bool | None = None,
        permissions: dict[str, bool] | None = None,
    ) -> Key:
        """What somebody changes by hand: no request, but ``updated`` changes. KeyError if the id is unknown."""
        with self._store.lock:
            key = self._existing(key_id)
            self._store.update_key(key, name, disabled, permissions)
            return key.snapshot()

    def remove_key(self, key_id: str) -> None:
        """What somebody deletes by hand. KeyError if the id is unknown."""
        with self._store.lock:
            self._store.remove_key(self._existing(key_id))

    def _existing(self, key_id: str) -> Key:
        key = self._store.keys.get(key_id)
        if key is None:
            raise KeyError(key_id)
        return key

    def issued_secrets(self) -> list[str]:
        """Every secret and usable value ever issued, including those of management keys and deleted keys."""
        return self._store.issued()

    # Time

    def now(self) -> datetime:
        return self._clock.now()

    def advance(self, seconds: float) -> None:
        self._clock.advance(seconds)

    @property
    def propagation(self) -> float:
        """How long ``/1/auth`` and event intake still treat a new or changed key as before, in seconds."""
        return self._store.propagation

    @propagation.setter
    def propagation(self, seconds: float) -> None:
        self._store.propagation = float(seconds)

    @property
    def latency(self) -> float:
        return self._gateway.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._gateway.latency = float(seconds)

    @property
    def rate_limit(self) -> tuple[int, float] | None:
        return self._limits.limit

    @rate_limit.setter
    def rate_limit(self, limit: tuple[int, float] | None) -> None:
        self._limits.limit = limit

    # What happened

    @property
    def requests(self) -> list[Request]:
        """Every request so far, in order of arrival, except those to the simulator's own controls."""
        return self._gateway.requests()

    def forget_requests(self) -> None:
        self._gateway.forget_requests()

    @property
    def connections(self) -> int:
        """The number of TCP connections accepted so far."""
        return self._gateway.connections

    @property
    def events(self) -> dict[str, dict[str, int]]:
        """``{key id: {"accepted": n, "refused": n}}``: events, spans, log records and metric points.

        Deleted keys are listed under their ids, and what came with a value that no key ever had under ``unknown``.
        """
        return self._intake.tallies()

    @property
    def accepted(self) -> int:
        return sum(tally["accepted"] for tally in self.events.values())

    @property
    def refused(self) -> int:
        return sum(tally["refused"] for tally in self.events.values())

    @property
    def refusals(self) -> list[Refusal]:
        """Each refused request to event intake: ``key_id``, ``reason``, ``time``."""
        return self._intake.refusals()

    # Faults

    @property
    def faults(self) -> list[Fault]:
        return self._faults.listing()

    def fail(self, operation: str | Collection[str] | None = None, effect: str = "status", **details: Any) -> Fault:
        """Add a fault; see ``Fault`` for the details. It counts its ``hits``."""
        fault = Fault(effect, operation, **details)
        unknown = set(fault.operation or ()) - self._gateway.operations
        if unknown:
            raise ValueError(f"unknown operations: {', '.join(sorted(unknown))}")
        return self._faults.add(fault)

    def clear_faults(self) -> None:
        """Remove all faults, and be up again."""
        self._faults.clear()
        self.up()

    def up(self) -> None:
        self._gateway.is_down = False

    def down(self) -> None:
        """Reset every request except event intake, until ``up()``."""
        self._gateway.is_down = True

# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`Simulator`: a running service and the handles on it."""

from __future__ import annotations

import threading
from datetime import datetime

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
    """A simulated Honeycomb on a loopback address, as a context manager or with `start()` and `stop()`.

    - `port`: 0 takes a free one; `latency`: seconds before every answer but those of event intake
    - `rate_limit`: `(requests, seconds)` for each operation and each management key; None: no limit and no headers
    - `retry_after`: how a 429 says when to come back: `http-date`, `rfc3339` or `seconds`
    - `region`: the third character of every id
    - `environments`: the names of the environments to begin with
    - `signals_on_update`: whether a PATCH may change `manage_signals`, which the published description leaves out
    - `ssl_context`: `(certificate file, key file)` to speak https
    """

    team = TEAM

    def __init__(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        latency: float = 0.0,
        rate_limit: tuple | None = None,
        retry_after: str = "http-date",
        region: str = "x",
        environments: tuple = ("Production", "Staging"),
        signals_on_update: bool = True,
        ssl_context=None,
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
        """Listen and serve in a thread of its own."""
        self._gateway.stopping.clear()
        self._server = Server(*self._address, self._gateway, self._ssl_context)
        # A service that is started again after a stop is found at the same address.
        self._address = (self._address[0], self._server.port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="simulator", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close the port and all connections; what is stored stays."""
        if self._server is None:
            return
        self._gateway.stopping.set()
        self._server.stop()
        self._thread.join()
        self._server = None

    def __enter__(self) -> Simulator:
        return self if self._server else self.start()

    def __exit__(self, *_unused) -> None:
        self.stop()

    @property
    def port(self) -> int:
        return self._address[1]

    @property
    def url(self) -> str:
        return f"{'https' if self._ssl_context else 'http'}://{self._address[0]}:{self.port}"

    def environment_variables(self, management: tuple | None = None) -> dict:
        """What a client finds its way with; `management` is `(id, secret)`, by default the key with all scopes."""
        key_id, secret = management or self.management
        return {
            "HONEYCOMB_KEY_ID": key_id,
            "HONEYCOMB_KEY_SECRET": secret,
            "HONEYCOMB_API_ENDPOINT": self.url,
        }

    # State

    def add_management_key(
        self, scopes: list | tuple = records.SCOPES, name: str = "management", disabled: bool = False
    ) -> tuple[str, str]:
        """Its `(id, secret)`."""
        key = self._store.add_management_key(tuple(scopes), name, disabled)
        return key.id, key.secret

    def add_environment(self, name: str, **attributes) -> dict:
        """`attributes`: description, color, delete_protected. Returns id, name, slug and those."""
        environment = self._store.add_environment(name, **attributes)
        return self._environment(environment)

    @staticmethod
    def _environment(environment: Environment) -> dict:
        wanted = ("id", "name", "slug", "description", "color", "delete_protected")
        return {name: getattr(environment, name) for name in wanted}

    @property
    def environments(self) -> list[dict]:
        return [self._environment(environment) for environment in self._store.environments]

    def add_key(
        self,
        name: str = "key",
        key_type: str = "ingest",
        environment: str | None = None,
        disabled: bool = False,
        permissions: dict | None = None,
        created: datetime | None = None,
        updated: datetime | None = None,
        time_to_live: datetime | None = None,
    ) -> Key:
        """A key that has been there for long. `environment`: slug, id or name, by default the first one."""
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

    def add_keys(self, count: int, name: str = "key {number}", **attributes) -> list[Key]:
        """Many keys alike; `{number}` in the name counts from 1."""
        return [self.add_key(name.format(number=number), **attributes) for number in range(1, count + 1)]

    def keys(self, name: str | None = None, environment: str | None = None) -> list[Key]:
        """The keys that exist now, oldest first; `environment`: slug, id or name."""
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
        self, key_id: str, name: str | None = None, disabled: bool | None = None, permissions: dict | None = None
    ) -> Key:
        """What somebody does by hand: no request, but `updated` moves. KeyError for an unknown id."""
        with self._store.lock:
            key = self._existing(key_id)
            self._store.update_key(key, name, disabled, permissions)
            return key.snapshot()

    def remove_key(self, key_id: str) -> None:
        """What somebody deletes by hand. KeyError for an unknown id."""
        with self._store.lock:
            self._store.remove_key(self._existing(key_id))

    def _existing(self, key_id: str) -> Key:
        key = self._store.keys.get(key_id)
        if key is None:
            raise KeyError(key_id)
        return key

    def issued_secrets(self) -> list[str]:
        """Every secret and every usable value ever issued, management keys and deleted keys included."""
        return self._store.issued()

    # Time

    def now(self) -> datetime:
        return self._clock.now()

    def advance(self, seconds: float) -> None:
        self._clock.advance(seconds)

    @property
    def propagation(self) -> float:
        """Seconds in which a changed or new key is still treated as before by `/1/auth` and event intake."""
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
    def rate_limit(self) -> tuple | None:
        return self._limits.limit

    @rate_limit.setter
    def rate_limit(self, limit: tuple | None) -> None:
        self._limits.limit = limit

    # What happened

    @property
    def requests(self) -> list[Request]:
        """Every request so far but those to the simulator's own controls, in the order of their arrival."""
        return self._gateway.requests()

    def forget_requests(self) -> None:
        self._gateway.forget_requests()

    @property
    def connections(self) -> int:
        """How many TCP connections were accepted so far."""
        return self._gateway.connections

    @property
    def events(self) -> dict:
        """`{key id: {"accepted": n, "refused": n}}`: events, spans, log records and metric points.

        What came with a value that no key ever had stands under `unknown`; deleted keys keep their id.
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
        """Each refused request to event intake: `key_id`, `reason`, `time`."""
        return self._intake.refusals()

    # Faults

    @property
    def faults(self) -> list[Fault]:
        return self._faults.listing()

    def fail(self, operation: str | list | None = None, effect: str = "status", **details) -> Fault:
        """Let something go wrong: see `Fault` for the details. The result counts its `hits`."""
        fault = Fault(effect, operation, **details)
        unknown = set(fault.operation or ()) - self._gateway.operations
        if unknown:
            raise ValueError(f"unknown operations: {', '.join(sorted(unknown))}")
        return self._faults.add(fault)

    def clear_faults(self) -> None:
        """Forget all faults and be up."""
        self._faults.clear()
        self.up()

    def up(self) -> None:
        self._gateway.is_down = False

    def down(self) -> None:
        """Reset every request but event intake, until `up()`."""
        self._gateway.is_down = True

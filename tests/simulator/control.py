# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulator's own controls over HTTP, for use from another process. None of them shows a secret.

All speak JSON and are below ``/_simulator/``:

- GET state: url, team, time, keys, environments, settings, numbers of events, requests and connections
- GET requests, DELETE requests: the log of requests
- GET events: tallies by key, totals, refusals
- GET faults, POST faults (the arguments of ``Simulator.fail``), DELETE faults
- POST advance {"seconds": n}, POST down, POST up
- POST settings: any of propagation, latency, rate_limit ([requests, seconds] or null)
- POST keys: the arguments of ``Simulator.add_key``, with moments as in RFC 3339; returns the key without its secret
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, jsonify, request

from .api import parse_time
from .records import Key, rfc3339
from .web import CONTROL

if TYPE_CHECKING:
    from .core import Simulator

SETTINGS = ("propagation", "latency", "rate_limit")
MOMENTS = ("created", "updated", "time_to_live")


def show_key(key: Key) -> dict[str, Any]:
    """A key without its secret."""
    wanted = ("id", "name", "key_type", "environment", "environment_id", "disabled", "permissions")
    shown = {name: getattr(key, name) for name in wanted}
    for name in MOMENTS:
        moment = getattr(key, name)
        shown[name] = rfc3339(moment) if moment else None
    return shown


def show_events(simulator: Simulator) -> dict[str, Any]:
    return {
        "keys": simulator.events,
        "accepted": simulator.accepted,
        "refused": simulator.refused,
        "refusals": [
            {"key_id": refusal.key_id, "reason": refusal.reason, "time": refusal.time.isoformat()}
            for refusal in simulator.refusals
        ],
    }


def _arguments() -> dict[str, Any]:
    given = request.get_json(force=True, silent=True) if request.get_data() else {}
    if not isinstance(given, dict):
        raise ValueError("the body must be a JSON object")
    return given


def _moment(text: str) -> datetime:
    moment = parse_time(text)
    if moment is None:
        raise ValueError(f"{text!r} is not a moment as in RFC 3339")
    return moment


def blueprint(simulator: Simulator) -> Blueprint:
    """The routes for one simulator."""
    routes = Blueprint("control", __name__, url_prefix=CONTROL.rstrip("/"))

    @routes.errorhandler(TypeError)
    @routes.errorhandler(ValueError)
    def wrong(error: Exception) -> tuple[Response, int]:
        return jsonify(error=str(error)), 400

    @routes.get("/state")
    def state() -> Response:
        return jsonify(
            url=simulator.url,
            team=simulator.team,
            now=simulator.now().isoformat(),
            environments=simulator.environments,
            keys=[show_key(key) for key in simulator.keys()],
            accepted=simulator.accepted,
            refused=simulator.refused,
            requests=len(simulator.requests),
            connections=simulator.connections,
            **{name: getattr(simulator, name) for name in SETTINGS},
        )

    @routes.get("/requests")
    def requests() -> Response:
        return jsonify([{**asdict(entry), "time": entry.time.isoformat()} for entry in simulator.requests])

    @routes.delete("/requests")
    def forget_requests() -> tuple[str, int]:
        simulator.forget_requests()
        return "", 204

    @routes.get("/events")
    def events() -> Response:
        return jsonify(show_events(simulator))

    @routes.get("/faults")
    def faults() -> Response:
        return jsonify([asdict(fault) for fault in simulator.faults])

    @routes.post("/faults")
    def add_fault() -> tuple[Response, int]:
        return jsonify(asdict(simulator.fail(**_arguments()))), 201

    @routes.delete("/faults")
    def clear_faults() -> tuple[str, int]:
        simulator.clear_faults()
        return "", 204

    @routes.post("/advance")
    def advance() -> Response:
        simulator.advance(_arguments().get("seconds", 0))
        return jsonify(now=simulator.now().isoformat())

    @routes.post("/down")
    def down() -> tuple[str, int]:
        simulator.down()
        return "", 204

    @routes.post("/up")
    def up() -> tuple[str, int]:
        simulator.up()
        return "", 204

    @routes.post("/settings")
    def settings() -> Response:
        given = _arguments()
        unknown = set(given) - set(SETTINGS)
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        for name, value in given.items():
            setattr(simulator, name, tuple(value) if isinstance(value, list) else value)
        return jsonify({name: getattr(simulator, name) for name in SETTINGS})

    @routes.post("/keys")
    def add_key() -> tuple[Response, int]:
        given = _arguments()
        for name in MOMENTS:
            if given.get(name) is not None:
                given[name] = _moment(given[name])
        return jsonify(show_key(simulator.add_key(**given))), 201

    return routes

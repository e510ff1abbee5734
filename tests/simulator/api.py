# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service's operations, as ``api.yaml`` describes them.

Each takes a ``Call`` and returns an ``Answer`` or raises ``Refused``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, TypeVar

from . import records
from .errors import JSONAPI, Answer, Invalid, Refused, answer, jsonapi, legacy, problem
from .limits import RateLimits
from .records import Environment, Key, ManagementKey, rfc3339
from .store import TEAM, TEAM_NAME, Clash, Item, Listing, Protected, Store

MAX_BODY = 100_000
DEFAULT_PAGE = 20
MAX_PAGE = 100

Value = TypeVar("Value")
Json = dict[str, Any]
# The names that lead to a place in a body, for the pointer in an error
Place = tuple[str, ...]


@dataclass
class Call:
    """One request, detached from its connection so that it can also be carried out later."""

    method: str
    path: str
    operation: str
    arguments: dict[str, str]
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: bytes = field(repr=False)
    key_id: Any = None  # a str, once it is known
    extra_headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Operation:
    """How an operation is reached; ``scope`` is the one that a management key needs, if any."""

    method: str
    path: str
    run: Callable[[Call], Answer]
    scope: str | None = None


def parse_time(text: object) -> datetime | None:
    """The moment if the text is one as in RFC 3339, with an offset; otherwise None."""
    if not isinstance(text, str) or not re.match(r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d", text):
        return None
    try:
        # Before Python 3.11, fromisoformat reads neither "Z" nor every fraction.
        moment = datetime.fromisoformat(re.sub(r"\.\d+", "", re.sub(r"[zZ]$", "+00:00", text)))
        return moment.astimezone(timezone.utc) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


# Reading bodies. ``path`` is the place of a value in the body, and its last step the name in ``container``.


def _optional(container: Json, path: Place, kind: type[Value], what: str) -> Value | None:
    name = path[-1]
    if name not in container:
        return None
    value = container[name]
    if not isinstance(value, kind):
        raise Invalid(path, "incorrect_type", f"{name}: must be {what}")
    return value


def _required(container: Json, path: Place, kind: type[Value], what: str) -> Value:
    value = _optional(container, path, kind, what)
    if value is None:
        raise Invalid(path, "missing", f"{path[-1]}: is required")
    return value


def _checked_length(text: str, path: Place, low: int, high: int) -> str:
    if not low <= len(text) <= high:
        raise Invalid(path, "invalid", f"{path[-1]}: must have {low} to {high} characters")
    return text


def _checked_choice(text: str, path: Place, choices: tuple[str, ...]) -> str:
    if text not in choices:
        raise Invalid(path, "invalid", f"{path[-1]}: must be one of {', '.join(choices)}")
    return text


def _text(container: Json, path: Place, low: int, high: int) -> str:
    return _checked_length(_required(container, path, str, "a string"), path, low, high)


def _text_if_given(container: Json, path: Place, low: int, high: int) -> str | None:
    text = _optional(container, path, str, "a string")
    return text if text is None else _checked_length(text, path, low, high)


def _choice(container: Json, path: Place, choices: tuple[str, ...]) -> str:
    return _checked_choice(_required(container, path, str, "a string"), path, choices)


def _choice_if_given(container: Json, path: Place, choices: tuple[str, ...]) -> str | None:
    text = _optional(container, path, str, "a string")
    return text if text is None else _checked_choice(text, path, choices)


def _fixed(container: Json, *paths: Place) -> None:
    """Refuse attributes that can't be changed."""
    for path in paths:
        if path[-1] in container:
            raise Invalid(path, "invalid", f"{path[-1]}: cannot be changed")


def _permissions(attributes: Json, key_type: str) -> dict[str, bool] | None:
    path = ("data", "attributes", "permissions")
    given = _optional(attributes, path, dict, "an object")
    if given is None:
        return None
    # Names that the service doesn't know are ignored silently.
    names = [name for name in given if name in records.PERMISSIONS[key_type]]
    return {name: _required(given, (*path, name), bool, "a boolean") for name in names}


class Api:
    def __init__(self, store: Store, limits: RateLimits, signals_on_update: bool) -> None:
        self.store = store
        self.limits = limits
        self.signals_on_update = signals_on_update
        team = "/2/teams/<team>"
        self.operations = {
            "getV2Auth": Operation("GET", "/2/auth", self.get_v2_auth),
            "listApiKeys": Operation("GET", f"{team}/api-keys", self.list_api_keys, "api-keys:read"),
            "createApiKey": Operation("POST", f"{team}/api-keys", self.create_api_key, "api-keys:write"),
            "getApiKey": Operation("GET", f"{team}/api-keys/<id>", self.get_api_key, "api-keys:read"),
            "updateApiKey": Operation("PATCH", f"{team}/api-keys/<id>", self.update_api_key, "api-keys:write"),
            "deleteApiKey": Operation("DELETE", f"{team}/api-keys/<id>", self.delete_api_key, "api-keys:write"),
            "listEnvironments": Operation("GET", f"{team}/environments", self.list_environments, "environments:read"),
            "createEnvironment": Operation(
                "POST", f"{team}/environments", self.create_environment, "environments:write"
            ),
            "getEnvironment": Operation("GET", f"{team}/environments/<id>", self.get_environment, "environments:read"),
            "updateEnvironment": Operation(
                "PATCH", f"{team}/environments/<id>", self.update_environment, "environments:write"
            ),
            "deleteEnvironment": Operation(
                "DELETE", f"{team}/environments/<id>", self.delete_environment, "environments:write"
            ),
        }

    def carry_out(self, call: Call) -> Answer:
        """Run a v2 operation after checking credentials, rate limit, team and scope, in that order."""
        operation = self.operations[call.operation]
        try:
            key = self._authenticate(call)
            self._limit(call, key.id)
            if call.arguments.get("team", TEAM) != TEAM:
                raise Refused(jsonapi(404, "team not found", f"There is no team {call.arguments['team']}."))
            if operation.scope and operation.scope not in key.scopes:
                raise Refused(
                    jsonapi(403, "missing scope", f"This key lacks the scope {operation.scope}.", parameter="scope")
                )
            with self.store.lock:
                result = operation.run(call)
        except Refused as refusal:
            result = refusal.answer
        result.headers.update(call.extra_headers)
        return result

    def _authenticate(self, call: Call) -> ManagementKey:
        scheme, _space, credentials = call.headers.get("authorization", "").partition(" ")
        key_id, _colon, secret = credentials.strip().partition(":")
        key = self.store.management.get(key_id) if scheme.lower() == "bearer" else None
        if key is None or key.secret != secret or key.disabled:
            raise Refused(
                jsonapi(
                    401, "invalid key", "The management key is missing, unknown or disabled.", header="Authorization"
                )
            )
        call.key_id = key.id
        return key

    def _limit(self, call: Call, key_id: str) -> None:
        allowed, headers, again = self.limits.take(call.operation, key_id)
        call.extra_headers.update(headers)
        if not allowed:
            raise Refused(jsonapi(429, "request rate limit exceeded", f"Please try again after {again}."))

    @staticmethod
    def _body(call: Call) -> Json:
        media_type = call.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != JSONAPI:
            raise Refused(jsonapi(415, "unsupported media type", f"Content-Type must be {JSONAPI}."))
        if len(call.body) > MAX_BODY:
            text = f"Body size is larger than maximum size of {MAX_BODY} bytes"
            raise Refused(problem(413, "Request body is too large.", text, content_type="application/json"))
        try:
            body = json.loads(call.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Refused(jsonapi(400, "request body could not be parsed", "The body must be a JSON object."))
        return body

    @staticmethod
    def _data(body: Json, kind: str, item_id: str | None = None) -> tuple[Json, Json]:
        """``data`` and its attributes, after checking the type, and the id if one is expected."""
        data = _required(body, ("data",), dict, "an object")
        _choice(data, ("data", "type"), (kind,))
        if item_id is not None and _required(data, ("data", "id"), str, "a string") != item_id:
            raise Invalid(("data", "id"), "invalid", "id: must be the id in the path")
        return data, _required(data, ("data", "attributes"), dict, "an object")

    @staticmethod
    def _refuse_key_body(wrong: Invalid) -> Refused:
        return Refused(jsonapi(422, "validation failed", wrong.description, pointer="/" + "/".join(wrong.path)))

    @staticmethod
    def _refuse_environment_body(wrong: Invalid) -> Refused:
        detail = {"field": wrong.path[-1], "code": wrong.code, "description": wrong.description}
        return Refused(problem(422, "The provided input is invalid.", wrong.description, [detail]))

    def _page(
        self,
        call: Call,
        listing: Listing[Item],
        show: Callable[[Item], Json],
        wanted: Callable[[Item], bool] = lambda _item: True,
        more: str = "",
    ) -> Answer:
        """One page of a list; ``more`` is what the link to the next page repeats of this query."""
        text = call.query.get("page[size]", str(DEFAULT_PAGE))
        size = int(text) if re.fullmatch(r"\d{1,9}", text, re.ASCII) else 0
        if not 1 <= size <= MAX_PAGE:
            raise Refused(jsonapi(422, "validation failed", "must be from 1 to 100", parameter="page[size]"))
        cursor = call.query.get("page[after]", "")
        if not re.fullmatch(r"[0-9a-f]{16}|", cursor):
            raise Refused(jsonapi(422, "validation failed", "is not a known cursor", parameter="page[after]"))
        found, last = listing.page(int(cursor or "0", 16), size, wanted)
        following = None
        if last is not None:
            following = f"{call.path}?page[after]={last:016x}&page[size]={size}{more}"
        return answer(200, {"data": [show(item) for item in found], "links": {"next": following}}, JSONAPI)

    # /2/auth

    def get_v2_auth(self, call: Call) -> Answer:
        key = self.store.management[call.key_id or ""]
        created = rfc3339(key.created)
        body = {
            "data": {
                "id": key.id,
                "type": "api-keys",
                "attributes": {
                    "name": key.name,
                    "key_type": "management",
                    "disabled": key.disabled,
                    "scopes": list(key.scopes),
                    "timestamps": {"created": created, "updated": created},
                },
                "relationships": {"team": {"data": {"id": self.store.team_id, "type": "teams"}}},
            },
            "included": [{"id": self.store.team_id, "type": "teams", "attributes": {"name": TEAM_NAME, "slug": TEAM}}],
        }
        return answer(200, body, JSONAPI)

    # Keys

    def _show_key(self, key: Key, secret: bool = False) -> Json:
        attributes: Json = {
            "key_type": key.key_type,
            "name": key.name,
            "disabled": key.disabled,
            "permissions": dict(key.permissions),
            "timestamps": {"created": rfc3339(key.created), "updated": rfc3339(key.updated)},
        }
        if key.time_to_live is not None:
            attributes["time_to_live"] = rfc3339(key.time_to_live)
        if secret:
            attributes["secret"] = key.secret
        user = {"data": {"id": self.store.user_id, "type": "users"}}
        return {
            "id": key.id,
            "type": "api-keys",
            "attributes": attributes,
            "relationships": {
                "environment": {"data": {"id": key.environment_id, "type": "environments"}},
                "creator": user,
                "editor": user,
            },
            "links": {"self": f"/2/teams/{TEAM}/api-keys/{key.id}"},
        }

    def _find_key(self, call: Call) -> Key:
        key = self.store.keys.get(call.arguments["id"])
        if key is None:
            raise Refused(jsonapi(404, "API key not found", "There is no such API key."))
        return key

    def list_api_keys(self, call: Call) -> Answer:
        wanted_type = call.query.get("filter[type]")
        if wanted_type is None:
            return self._page(call, self.store.keys, self._show_key)
        if wanted_type not in records.KEY_TYPES:
            detail = f"must be one of {', '.join(records.KEY_TYPES)}"
            raise Refused(jsonapi(422, "validation failed", detail, parameter="filter[type]"))
        return self._page(
            call,
            self.store.keys,
            self._show_key,
            lambda key: key.key_type == wanted_type,
            f"&filter[type]={wanted_type}",
        )

    def create_api_key(self, call: Call) -> Answer:
        try:
            data, attributes = self._data(self._body(call), "api-keys")
            place = ("data", "attributes")
            key_type = _choice(attributes, (*place, "key_type"), records.KEY_TYPES)
            name = _text(attributes, (*place, "name"), 1, 100)
            disabled = _optional(attributes, (*place, "disabled"), bool, "a boolean")
            permissions = _permissions(attributes, key_type)
            time_to_live = self._time_to_live(attributes, key_type)
            environment = self._related_environment(data)
        except Invalid as wrong:
            raise self._refuse_key_body(wrong) from None
        key = self.store.add_key(name, key_type, environment, bool(disabled), permissions, time_to_live=time_to_live)
        return answer(201, {"data": self._show_key(key, secret=True)}, JSONAPI)

    def _time_to_live(self, attributes: Json, key_type: str) -> datetime | None:
        path = ("data", "attributes", "time_to_live")
        if path[-1] not in attributes:
            return None
        if key_type != "ingest":
            raise Invalid(path, "invalid", "time_to_live: only ingest keys can have one")
        moment = parse_time(attributes[path[-1]])
        if moment is None:
            raise Invalid(path, "incorrect_type", "time_to_live: must be a moment as in RFC 3339")
        if moment <= self.store.clock.now():
            raise Invalid(path, "invalid", "time_to_live: must be in the future")
        return moment

    def _related_environment(self, data: Json) -> Environment:
        path: Place = ("data",)
        place = data
        for step in ("relationships", "environment", "data"):
            path = (*path, step)
            place = _required(place, path, dict, "an object")
        _choice(place, (*path, "type"), ("environments",))
        environment = self.store.environments.get(_required(place, (*path, "id"), str, "a string"))
        if environment is None:
            raise Invalid((*path, "id"), "invalid", "id: there is no such environment")
        return environment

    def get_api_key(self, call: Call) -> Answer:
        return answer(200, {"data": self._show_key(self._find_key(call))}, JSONAPI)

    def update_api_key(self, call: Call) -> Answer:
        body = self._body(call)
        key = self._find_key(call)
        place = ("data", "attributes")
        try:
            data, attributes = self._data(body, "api-keys", key.id)
            _fixed(attributes, (*place, "key_type"), (*place, "time_to_live"))
            if key.key_type == "ingest":
                _fixed(attributes, (*place, "permissions"))
            relationships = _optional(data, ("data", "relationships"), dict, "an object")
            _fixed(relationships or {}, ("data", "relationships", "environment"))
            name = _text_if_given(attributes, (*place, "name"), 1, 100)
            disabled = _optional(attributes, (*place, "disabled"), bool, "a boolean")
            permissions = _permissions(attributes, key.key_type)
        except Invalid as wrong:
            raise self._refuse_key_body(wrong) from None
        if permissions and not self.signals_on_update:
            permissions.pop("manage_signals", None)
        self.store.update_key(key, name, disabled, permissions)
        return answer(200, {"data": self._show_key(key)}, JSONAPI)

    def delete_api_key(self, call: Call) -> Answer:
        self.store.remove_key(self._find_key(call))
        return answer(204)

    # Environments

    @staticmethod
    def _show_environment(environment: Environment) -> Json:
        return {
            "id": environment.id,
            "type": "environments",
            "links": {"self": f"/2/teams/{TEAM}/environments/{environment.id}"},
            "attributes": {
                "name": environment.name,
                "description": environment.description,
                "color": environment.color,
                "slug": environment.slug,
                "settings": {"delete_protected": environment.delete_protected},
            },
        }

    def _find_environment(self, call: Call) -> Environment:
        environment = self.store.environments.get(call.arguments["id"])
        if environment is None:
            raise Refused(jsonapi(404, "environment not found", "There is no such environment."))
        return environment

    @staticmethod
    def _looks(attributes: Json) -> Json:
        """The attributes that can be given at creation and changed later, if given."""
        place = ("data", "attributes")
        looks = {
            "description": _text_if_given(attributes, (*place, "description"), 0, 255),
            "color": _choice_if_given(attributes, (*place, "color"), records.COLORS),
        }
        return {name: value for name, value in looks.items() if value is not None}

    def list_environments(self, call: Call) -> Answer:
        return self._page(call, self.store.environments, self._show_environment)

    def create_environment(self, call: Call) -> Answer:
        try:
            attributes = self._data(self._body(call), "environments")[1]
            name = _text(attributes, ("data", "attributes", "name"), 1, 255)
            looks = self._looks(attributes)
        except Invalid as wrong:
            raise self._refuse_environment_body(wrong) from None
        try:
            environment = self.store.add_environment(name, **looks)
        except Clash:
            title = "Request could not be completed due to a conflict with the current state of the target resource."
            raise Refused(problem(409, title, "An environment by that name already exists.")) from None
        return answer(201, {"data": self._show_environment(environment)}, JSONAPI)

    def get_environment(self, call: Call) -> Answer:
        return answer(200, {"data": self._show_environment(self._find_environment(call))}, JSONAPI)

    def update_environment(self, call: Call) -> Answer:
        body = self._body(call)
        environment = self._find_environment(call)
        place = ("data", "attributes")
        try:
            attributes = self._data(body, "environments", environment.id)[1]
            _fixed(attributes, (*place, "name"), (*place, "slug"))
            changes = self._looks(attributes)
            settings = _optional(attributes, (*place, "settings"), dict, "an object") or {}
            protected = _optional(settings, (*place, "settings", "delete_protected"), bool, "a boolean")
        except Invalid as wrong:
            raise self._refuse_environment_body(wrong) from None
        if protected is not None:
            changes["delete_protected"] = protected
        for name, value in changes.items():
            setattr(environment, name, value)
        return answer(200, {"data": self._show_environment(environment)}, JSONAPI)

    def delete_environment(self, call: Call) -> Answer:
        try:
            self.store.remove_environment(self._find_environment(call))
        except Protected:
            detail = "Deletion protection is enabled: set settings.delete_protected to false first."
            raise Refused(jsonapi(409, "environment is protected", detail)) from None
        return answer(204)


class V1Auth:
    """``/1/auth``: which key has a usable value, and what it gives access to."""

    ACCESS = {
        "events": "send_events",
        "markers": "manage_markers",
        "triggers": "manage_triggers",
        "boards": "manage_boards",
        "queries": "run_queries",
        "columns": "manage_columns",
        "createDatasets": "create_datasets",
        "slos": "manage_slos",
        "recipients": "manage_recipients",
        "privateBoards": "manage_privateBoards",
    }

    def __init__(self, store: Store, limits: RateLimits) -> None:
        self.store = store
        self.limits = limits

    def carry_out(self, call: Call) -> Answer:
        with self.store.lock:
            key, refusal = self.store.check_value(call.headers.get("x-honeycomb-team", ""))
            if key is not None:
                call.key_id = key.id
            if key is None or refusal:
                return legacy(401, "unknown API key - check your credentials")
            allowed, headers, _again = self.limits.take(call.operation, key.id)
            result = answer(200, self._show(key)) if allowed else legacy(429, "Rate Limited")
        result.headers.update(headers)
        return result

    def _show(self, key: Key) -> Json:
        ingest = key.key_type == "ingest"
        environment = self.store.environments.get(key.environment_id)
        assert environment is not None  # its keys are removed with it
        return {
            "id": key.id if ingest else key.internal_id,
            "type": key.key_type,
            "api_key_access": {
                access: key.permissions[permission]
                for access, permission in self.ACCESS.items()
                if not ingest or access == "createDatasets"
            },
            "environment": {"name": environment.name, "slug": environment.slug},
            "team": {"name": TEAM_NAME, "slug": TEAM},
        }

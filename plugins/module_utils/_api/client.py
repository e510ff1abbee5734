# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""The service's operations: one method for each, plain data in and out, typed errors.

Source of the facts: Honeycomb's v2 Key Management API, https://api-docs.honeycomb.io/api.
"""

from __future__ import annotations

import threading
import typing as t
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qs, urlsplit

from .._errors import AnswerLost, ApiError, Conflict, Forbidden, HoneycombError, InputError, NotFound, Unauthorized
from .._http.transport import Answer, Transport, bearer, path_segment, team_key
from .resources import (
    ApiKey,
    CreatedKey,
    Environment,
    UnexpectedShape,
    looks_like_management_key_id,
    read_created_key,
    read_environment,
    read_key,
)

R = t.TypeVar("R")

_PAGE_SIZE = 100
# Far beyond any team (a million resources): a list that goes on longer does not end.
_MOST_PAGES = 10_000
# Pages in a row that hold nothing new. A filter may leave a few of them empty.
_MOST_BARREN_PAGES = 20

_ERRORS: dict[int, type[ApiError]] = {401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict}


@dataclass(frozen=True)
class Operation:
    """One operation of the service.

    ``name`` is Honeycomb's own: rate limits are counted by it. ``verb`` and ``objects`` say in words what it does, and
    ``scope`` is what the management key needs.
    """

    name: str
    method: str
    verb: str
    objects: str
    scope: str | None = None

    @property
    def doing(self) -> str:
        return f"{self.verb} {self.objects}"


_GET_AUTH = Operation("getV2Auth", "GET", "looking up", "the management key (GET /2/auth)")
_CHECK_VALUE = Operation("getAuth", "GET", "checking", "a key's value (GET /1/auth)")
_LIST_KEYS = Operation("listApiKeys", "GET", "listing", "keys", "api-keys:read")
_GET_KEY = Operation("getApiKey", "GET", "reading", "a key", "api-keys:read")
_CREATE_KEY = Operation("createApiKey", "POST", "creating", "keys", "api-keys:write")
_UPDATE_KEY = Operation("updateApiKey", "PATCH", "changing", "keys", "api-keys:write")
_DELETE_KEY = Operation("deleteApiKey", "DELETE", "deleting", "keys", "api-keys:write")
_LIST_ENVIRONMENTS = Operation("listEnvironments", "GET", "listing", "environments", "environments:read")
_GET_ENVIRONMENT = Operation("getEnvironment", "GET", "reading", "an environment", "environments:read")
_CREATE_ENVIRONMENT = Operation("createEnvironment", "POST", "creating", "environments", "environments:write")
_UPDATE_ENVIRONMENT = Operation("updateEnvironment", "PATCH", "changing", "environments", "environments:write")
_DELETE_ENVIRONMENT = Operation("deleteEnvironment", "DELETE", "deleting", "environments", "environments:write")

# What the rate limit counts: the operation of each kind of change to a key, and that of checking a value.
COUNTED_AS = {"create": _CREATE_KEY.name, "update": _UPDATE_KEY.name, "delete": _DELETE_KEY.name}
CHECKS_COUNTED_AS = _CHECK_VALUE.name


@dataclass(frozen=True)
class Team:
    id: str | None
    name: str | None
    slug: str


@dataclass(frozen=True)
class ManagementKey:
    """What the service says of the management key itself."""

    id: str
    name: str | None
    scopes: tuple[str, ...]
    team: Team


@dataclass(frozen=True)
class ValueCheck:
    """What the service says of an ingest or configuration key's value.

    ``id`` is the key's id for an ingest key; for a configuration key it may be an older, internal one.
    """

    id: str | None
    key_type: str | None
    team: dict[str, t.Any]
    environment: dict[str, t.Any]
    access: dict[str, bool]


class Client:
    """A team's keys and environments.

    :param transport: Where requests go.
    :param key_id: The management key's id, which may be shown.
    :param key_secret: Its secret, which is taken out of every message.
    :param team: The team's slug; found through ``/2/auth`` on first use when it is not given.
    """

    def __init__(self, transport: Transport, key_id: str, key_secret: str, team: str | None = None) -> None:
        self.transport = transport
        self._secret = key_secret
        # An id and a secret are easily swapped: only what looks like an id is shown.
        self._named = key_id if looks_like_management_key_id(key_id) else "(the given value does not look like an id)"
        self._auth = bearer(key_id, key_secret)
        self._team = team
        self._management_key: ManagementKey | None = None
        self._lock = threading.Lock()

    # -- who am I --------------------------------------------------------------------------------------------------

    def management_key(self) -> ManagementKey:
        """The management key's id, name, scopes and team. One request, the first time."""
        with self._lock:
            if self._management_key is None:
                data = self._call(_GET_AUTH, "/2/auth", "the management key").data
                self._management_key = self._shaped(_GET_AUTH, lambda: _read_management_key(data))
            return self._management_key

    @property
    def team(self) -> str:
        """The team's slug."""
        return self._team or self.management_key().team.slug

    # -- keys ------------------------------------------------------------------------------------------------------

    def list_keys(self, key_type: str | None = None) -> list[ApiKey]:
        """Every key of the team, or every one of a type; as many requests as there are pages of 100."""
        params = {"filter[type]": key_type} if key_type else {}
        return self._list(_LIST_KEYS, "api-keys", params, read_key, "the team's keys")

    def get_key(self, key_id: str) -> ApiKey | None:
        """One key, or ``None`` when there is none of this id."""
        try:
            answer = self._call(_GET_KEY, self._path("api-keys", key_id), f"key {key_id}")
        except NotFound:
            return None
        return self._shaped(_GET_KEY, lambda: read_key(answer.data["data"]))

    def create_key(self, key: ApiKey) -> CreatedKey:
        """Create this key. Sent once: see ``_keys/create.py`` for what to do when the answer is lost.

        :raises AnswerLost: It may have been created.
        """
        attributes: dict[str, t.Any] = {
            "name": key.name,
            "key_type": key.key_type,
            "disabled": key.disabled,
            "permissions": key.permissions,
        }
        if key.time_to_live:
            attributes["time_to_live"] = key.time_to_live
        body = {
            "data": {
                "type": "api-keys",
                "attributes": attributes,
                "relationships": {"environment": {"data": {"id": key.environment_id, "type": "environments"}}},
            }
        }
        what = f"{key.key_type} key {key.name!r}"
        answer = self._call(_CREATE_KEY, self._path("api-keys"), what, body=body)
        try:
            return read_created_key(answer.data["data"])
        except (UnexpectedShape, TypeError, KeyError):
            raise AnswerLost(f"Creating {what}: the answer does not contain the new key.") from None

    def update_key(self, key_id: str, changes: dict[str, t.Any]) -> ApiKey:
        """Change ``name``, ``disabled`` or (configuration keys) ``permissions``; what is omitted keeps its value."""
        body = {"data": {"id": key_id, "type": "api-keys", "attributes": changes}}
        answer = self._call(_UPDATE_KEY, self._path("api-keys", key_id), f"key {key_id}", body=body)
        return self._shaped(_UPDATE_KEY, lambda: read_key(answer.data["data"]))

    def delete_key(self, key_id: str) -> bool:
        """Delete a key for good. False when it was gone before this request."""
        return self._delete(_DELETE_KEY, self._path("api-keys", key_id), f"key {key_id}")

    # -- environments ----------------------------------------------------------------------------------------------

    def list_environments(self) -> list[Environment]:
        """Every environment of the team."""
        return self._list(_LIST_ENVIRONMENTS, "environments", {}, read_environment, "the team's environments")

    def get_environment(self, environment_id: str) -> Environment | None:
        """One environment, or ``None`` when there is none of this id."""
        what = f"environment {environment_id}"
        try:
            answer = self._call(_GET_ENVIRONMENT, self._path("environments", environment_id), what)
        except NotFound:
            return None
        return self._shaped(_GET_ENVIRONMENT, lambda: read_environment(answer.data["data"]))

    def create_environment(self, attributes: dict[str, t.Any]) -> Environment:
        """Create an environment from ``name``, and optionally ``description`` and ``color``. Sent once.

        :raises Conflict: The name is taken.
        :raises AnswerLost: It may have been created.
        """
        body = {"data": {"type": "environments", "attributes": attributes}}
        what = f"environment {attributes['name']!r}"
        answer = self._call(_CREATE_ENVIRONMENT, self._path("environments"), what, body=body)
        try:
            return read_environment(answer.data["data"])
        except (UnexpectedShape, TypeError, KeyError):
            raise AnswerLost(f"Creating {what}: the answer does not contain it.") from None

    def update_environment(self, environment_id: str, changes: dict[str, t.Any]) -> Environment:
        """Change ``description``, ``color`` or ``settings``."""
        body = {"data": {"id": environment_id, "type": "environments", "attributes": changes}}
        path = self._path("environments", environment_id)
        answer = self._call(_UPDATE_ENVIRONMENT, path, f"environment {environment_id}", body=body)
        return self._shaped(_UPDATE_ENVIRONMENT, lambda: read_environment(answer.data["data"]))

    def delete_environment(self, environment_id: str) -> bool:
        """Delete an environment and every key in it. False when it was gone before this request.

        :raises Conflict: It is protected.
        """
        path = self._path("environments", environment_id)
        return self._delete(_DELETE_ENVIRONMENT, path, f"environment {environment_id}")

    # -- below -----------------------------------------------------------------------------------------------------

    def _path(self, *parts: str) -> str:
        return "/".join(["/2/teams", path_segment(self.team), *(path_segment(part) for part in parts)])

    def _call(
        self,
        operation: Operation,
        path: str,
        what: str,
        *,
        params: dict[str, t.Any] | None = None,
        body: dict[str, t.Any] | None = None,
    ) -> Answer:
        """Send a request with the management key; return a good answer, or raise what the service said."""
        try:
            answer = self.transport.request(
                operation.name,
                operation.method,
                path,
                auth=self._auth,
                doing=operation.doing,
                params=params,
                body=body,
                repeatable=operation.method != "POST",
            )
        except HoneycombError as exc:
            exc.message, exc.cause = self._clean(exc.message), self._clean(exc.cause)
            raise
        if answer.ok and answer.decisive:
            return answer
        if operation.method == "POST" and not answer.decisive:
            error = self._error(operation, what, answer)
            raise AnswerLost(error.cause, advice=error.advice)
        if answer.status == 404 and operation is not _GET_AUTH:
            self._check_team()
        raise self._error(operation, what, answer)

    def _check_team(self) -> None:
        """With another team in the path, everything looks as if it were not there."""
        if self._team:
            own = self.management_key().team.slug
            if own.casefold() != self._team.casefold():
                raise InputError(
                    f"team: {self._team!r} is not the team of the management key {self._named}, which is {own!r}. "
                    "Correct it (or HONEYCOMB_TEAM), or omit it."
                )

    def _delete(self, operation: Operation, path: str, what: str) -> bool:
        try:
            self._call(operation, path, what)
        except NotFound as exc:
            # Gone, either by our earlier try, whose answer was lost, or by somebody else.
            return exc.repeated
        return True

    def _list(
        self,
        operation: Operation,
        collection: str,
        params: dict[str, t.Any],
        read: t.Callable[[t.Any], t.Any],
        what: str,
    ) -> list[t.Any]:
        found: dict[str, t.Any] = {}
        seen: set[str] = set()
        barren = 0
        cursor: str | None = None
        path = self._path(collection)
        for _page in range(_MOST_PAGES):
            page_params = {"page[size]": _PAGE_SIZE, **params}
            if cursor:
                page_params["page[after]"] = cursor
            data = self._call(operation, path, what, params=page_params).data
            page = self._shaped(operation, partial(_read_page, data, read))
            before = len(found)
            found.update((entry.id, entry) for entry in page)
            barren = 0 if len(found) > before else barren + 1
            cursor = self._shaped(operation, partial(_next_cursor, data))
            if not cursor:
                return list(found.values())
            if cursor in seen or barren >= _MOST_BARREN_PAGES:
                break
            seen.add(cursor)
        raise HoneycombError(
            f"The list of {what} does not end: {self.transport.api_url} always gives a next page. Nothing was changed "
            "based on an incomplete list. Check api_url and proxies, or run it again later."
        )

    def _shaped(self, operation: Operation, read: t.Callable[[], R]) -> R:
        try:
            return read()
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            missing = f" ({exc} is missing)" if isinstance(exc, UnexpectedShape) else ""
            raise HoneycombError(
                f"{operation.verb.capitalize()} {operation.objects} failed: the answer from {self.transport.api_url} "
                f"is not in the form that Honeycomb documents{missing}. "
                "Check that api_url is Honeycomb's, and that no proxy changes answers."
            ) from None

    def _clean(self, text: str) -> str:
        """Take the management secret out, should somebody have echoed it."""
        return text.replace(self._secret, "********") if self._secret else text

    def _error(self, operation: Operation, what: str, answer: Answer) -> ApiError:
        told = {name: self._clean(text) for name, text in read_error(answer.data).items()}
        said = ": ".join(dict.fromkeys(text for text in (told.get("title"), told.get("detail")) if text))
        status = answer.status
        if not told:
            said = _not_json(answer)
        error = self._advised(operation, what, status, said, told)
        error.repeated = answer.repeated
        return error

    def _advised(self, operation: Operation, what: str, status: int, said: str, told: dict[str, str]) -> ApiError:
        message = (
            f"{operation.verb.capitalize()} {what} failed: {said.rstrip('.') or 'no reason given'} (status {status})."
        )
        if status >= 500:
            advice = f"Honeycomb, or a proxy in between, is failing; try again later (URL: {self.transport.api_url})."
        elif not told:
            advice = (
                f"Something other than Honeycomb's API seems to answer at {self.transport.api_url}: "
                "check api_url and proxies."
            )
        elif status == 401:
            advice = (
                f"Honeycomb refuses the management key {self._named}. Check management_key_id (HONEYCOMB_KEY_ID) and "
                "management_key_secret (HONEYCOMB_KEY_SECRET), and that api_url belongs to the region of this key."
            )
        elif status == 403 and operation.scope:
            advice = (
                f"The management key {self._named} needs the scope {operation.scope}. Scopes can't be changed: "
                "ask a team owner for a new management key that has it."
            )
        elif status == 404:
            team = f"team {self._team}" if self._team else "the team of this management key"
            advice = f"Check the id, and that {team} is the right one."
        elif status == 409:
            advice = "Check its current state in Honeycomb."
        elif status == 422 or status == 400:
            advice = "Correct what the message points to."
        else:
            advice = ""
        # Only the service itself can say that something is not there, or not allowed.
        kind = _ERRORS.get(status, ApiError) if told else ApiError
        return kind(message, advice=advice, status=status, **told)


def check_value(transport: Transport, value: str, *, fresh: bool = False) -> ValueCheck | None:
    """Ask whether the service accepts an ingest or configuration key's value (``/1/auth``).

    Needs no management key. ``None`` when the value is refused.
    """

    def clean(text: str) -> str:
        return text.replace(value, "********") if value else text

    answer = transport.request(
        _CHECK_VALUE.name, "GET", "/1/auth", auth=team_key(value), doing=_CHECK_VALUE.doing, fresh=fresh
    )
    told = {name: clean(text) for name, text in read_error(answer.data).items()}
    if answer.status == 401 and (told or answer.media_type.endswith("json")):
        return None
    data = answer.data
    if not answer.ok or not isinstance(data, dict) or "type" not in data:
        said = ": ".join(text for text in (told.get("title"), told.get("detail")) if text) or _not_json(answer)
        raise ApiError(
            f"Checking a key's value failed: {said} (status {answer.status}). "
            f"Check api_url ({transport.api_url}), or try again later.",
            status=answer.status,
            **told,
        )
    parts = {name: part if isinstance(part := data.get(name), dict) else {} for name in ("team", "environment")}
    access = data.get("api_key_access")
    return ValueCheck(
        id=data.get("id"),
        key_type=data.get("type"),
        team={name: parts["team"].get(name) for name in ("name", "slug")},
        environment={name: parts["environment"].get(name) for name in ("name", "slug")},
        access={str(name): bool(granted) for name, granted in access.items()} if isinstance(access, dict) else {},
    )


def read_error(data: t.Any) -> dict[str, str]:
    """Read any of the three error shapes into ``code``, ``title``, ``detail`` and ``pointer``, where it has them."""
    if not isinstance(data, dict):
        return {}
    told: dict[str, t.Any] = {}
    errors = data.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        first = errors[0]
        source: dict[str, t.Any] = found if isinstance(found := first.get("source"), dict) else {}
        more = [entry.get("detail") or entry.get("title") for entry in errors[1:] if isinstance(entry, dict)]
        told = {
            "code": first.get("code"),
            "title": first.get("title"),
            "detail": "; ".join(str(text) for text in [first.get("detail"), *more] if text),
            "pointer": source.get("pointer") or source.get("parameter") or source.get("header"),
        }
    elif "error" in data or "title" in data:
        entries = data.get("type_detail")
        fields = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
        details = [data.get("detail")] + [f"{entry.get('field')}: {entry.get('description')}" for entry in fields]
        told = {
            "code": data.get("type") or (fields[0].get("code") if fields else None),
            "title": data.get("title") or data.get("error"),
            "detail": "; ".join(str(text) for text in details if text) or data.get("error"),
            "pointer": fields[0].get("field") if fields else None,
        }
    return {name: str(text) for name, text in told.items() if text}


def _not_json(answer: Answer) -> str:
    """What came instead of the service's JSON."""
    if 300 <= answer.status < 400:
        return "the answer is a redirect, which is not followed, since that would send the credentials elsewhere"
    if answer.media_type.endswith("json"):
        return "the answer is empty or unreadable"
    return f"the answer is {answer.media_type or 'empty'} instead of JSON"


def _read_page(data: dict[str, t.Any], read: t.Callable[[t.Any], t.Any]) -> list[t.Any]:
    return [read(entry) for entry in data["data"]]


def _next_cursor(data: dict[str, t.Any]) -> str | None:
    """The cursor of the next page. Only the cursor is taken from the link, so that it can't lead to another host."""
    link = (data.get("links") or {}).get("next")
    if not link:
        return None
    cursors = parse_qs(urlsplit(str(link)).query).get("page[after]")
    if not cursors:
        raise UnexpectedShape("page[after] in links.next")
    return cursors[0]


def _read_management_key(data: dict[str, t.Any]) -> ManagementKey:
    attributes = data["data"]["attributes"]
    teams = [entry for entry in data.get("included") or [] if entry.get("type") == "teams"]
    if not teams or not teams[0]["attributes"].get("slug"):
        raise UnexpectedShape("the team's slug")
    team = teams[0]
    return ManagementKey(
        id=data["data"]["id"],
        name=attributes.get("name"),
        scopes=tuple(str(scope) for scope in attributes.get("scopes") or ()),
        team=Team(id=team.get("id"), name=team["attributes"].get("name"), slug=team["attributes"]["slug"]),
    )

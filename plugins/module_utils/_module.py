# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules share: their options, how a client is made from them, and how an error ends a task."""

from __future__ import annotations

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.errors import AnsibleFallbackNotFound

from ._client import Client, find_environment
from ._errors import Forbidden, HoneycombError, InputError
from ._resources import KEY_TYPES, PERMISSIONS, CreatedKey, Environment
from ._time import describe_seconds
from ._transport import REQUESTS_IMPORT_ERROR, US_SERVICE, Transport

try:
    # ansible-core 2.22 and newer mask what is registered; up to 2.21 nothing masks a secret that an API returned.
    from ansible.module_utils.secrets import register_secret
except ImportError:

    def register_secret(value: str) -> str:
        return value


# A wait that a user would not notice is not worth a warning; seconds.
_NOTEWORTHY_WAIT = 1.0


def from_environment(*names: str) -> str:
    """The first of these environment variables that is not empty: schedulers set variables that have no value."""
    for name in names:
        if os.environ.get(name):
            return os.environ[name]
    raise AnsibleFallbackNotFound


def auth_spec() -> dict[str, t.Any]:
    """The options of the C(community.honeycomb.auth) documentation fragment."""
    return {
        "management_key_id": {
            "type": "str",
            "no_log": False,
            "fallback": (from_environment, ["HONEYCOMB_KEY_ID", "HONEYCOMB_MANAGEMENT_KEY"]),
        },
        "management_key_secret": {
            "type": "str",
            "no_log": True,
            "fallback": (from_environment, ["HONEYCOMB_KEY_SECRET", "HONEYCOMB_MANAGEMENT_SECRET"]),
        },
        "team": {"type": "str", "fallback": (from_environment, ["HONEYCOMB_TEAM"])},
        "api_url": {"type": "str", "default": US_SERVICE, "fallback": (from_environment, ["HONEYCOMB_API_ENDPOINT"])},
        "timeout": {"type": "float", "default": 10, "fallback": (from_environment, ["HONEYCOMB_TIMEOUT"])},
        "max_wait": {"type": "float", "default": 300, "fallback": (from_environment, ["HONEYCOMB_MAX_WAIT"])},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
    }


def key_spec() -> dict[str, t.Any]:
    """The options that describe one key."""
    return {
        "state": {"type": "str", "choices": ["present", "disabled", "absent"], "default": "present"},
        "id": {"type": "str"},
        "name": {"type": "str"},
        "key_type": {"type": "str", "choices": list(KEY_TYPES)},
        "environment": {"type": "str"},
        "permissions": {"type": "dict", "options": permission_spec()},
        "purge_permissions": {"type": "bool", "default": True},
        "time_to_live": {"type": "str", "no_log": False},
    }


def permission_spec() -> dict[str, t.Any]:
    """Every permission, by the service's name; the one in mixed case also in the field's usual spelling."""
    spec: dict[str, t.Any] = {name: {"type": "bool"} for name in PERMISSIONS}
    spec["manage_privateBoards"]["aliases"] = ["manage_private_boards"]
    return spec


def given_permissions(option: dict[str, t.Any] | None) -> dict[str, bool] | None:
    """The permissions that the user gave, without aliases and what was left out."""
    return None if option is None else {name: option[name] for name in PERMISSIONS if option.get(name) is not None}


class HoneycombModule:
    """An Ansible module of this collection: its options, its client, its way to end."""

    def __init__(self, spec: dict[str, t.Any], *, supports_check_mode: bool = True, **constraints: t.Any) -> None:
        self.ansible = AnsibleModule(
            argument_spec={**auth_spec(), **spec}, supports_check_mode=supports_check_mode, **constraints
        )
        if REQUESTS_IMPORT_ERROR:
            self.ansible.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR)
        self.params: dict[str, t.Any] = self.ansible.params
        self.check_mode: bool = self.ansible.check_mode
        self._transport: Transport | None = None

    def run(self, work: t.Callable[[HoneycombModule], dict[str, t.Any]]) -> t.NoReturn:
        """Do the module's work and end the task with its result, or with a clear failure."""
        try:
            result = work(self)
        except HoneycombError as exc:
            self.fail(exc)
        self._tell_waits()
        if self._transport:
            self._transport.close()
        self.ansible.exit_json(**result)

    def fail(self, error: HoneycombError, **result: t.Any) -> t.NoReturn:
        """End the task with an error, handing back what was created all the same."""
        self._tell_waits()
        created = result.pop("created", None) or error.created
        if created:
            for entry in created:
                register_secret(entry["secret"])
                register_secret(entry["key"])
            result["created"] = created
            result["changed"] = True
        if error.status is not None:
            result["error"] = error.as_result()
        self.ansible.fail_json(msg=self._clean(error.message), **result)

    def transport(self, connections: int = 1) -> Transport:
        """The HTTP session of this task."""
        for option in ("timeout", "max_wait"):
            value = self.params[option]
            if not (0 if option == "max_wait" else 0.001) <= value <= 86400:
                raise InputError(f"{option}: {value:g} is out of range; give seconds, at most 86400.")
        if self._transport is None:
            self._transport = Transport(
                self.params["api_url"] or US_SERVICE,
                timeout=self.params["timeout"],
                max_wait=self.params["max_wait"],
                validate_certs=self.params["validate_certs"],
                ca_path=self.params["ca_path"],
                connections=connections,
                user_agent=f"ansible-{self.ansible.ansible_version} community.honeycomb",
            )
        return self._transport

    def client(self, connections: int = 1) -> Client:
        """A client with the task's management key.

        :raises InputError: where a credential is missing.
        """
        for option, variable in (("management_key_id", "HONEYCOMB_KEY_ID"), ("management_key_secret", "HONEYCOMB_KEY_SECRET")):
            value = self.params[option]
            if not value:
                raise InputError(
                    f"{option} is missing. Set it in the task, in module_defaults for group/community.honeycomb.honeycomb, "
                    f"or in the environment variable {variable}."
                )
            if not value.isascii() or not value.isprintable() or " " in value:
                raise InputError(f"{option}: it holds characters that can't be in a management key. Copy it again.")
            if ":" in value:
                raise InputError(f"{option}: it holds a colon. Give id and secret apart, in management_key_id and management_key_secret.")
        return Client(
            self.transport(connections),
            self.params["management_key_id"],
            self.params["management_key_secret"],
            self.params["team"] or None,
        )

    def hand_back(self, created: t.Sequence[CreatedKey]) -> list[dict[str, t.Any]]:
        """Created values for the result, registered as secrets where ansible-core can mask them."""
        for entry in created:
            register_secret(entry.secret)
            register_secret(entry.value)
        return [entry.as_result() for entry in created]

    def _clean(self, text: str) -> str:
        secret = self.params.get("management_key_secret")
        return text.replace(secret, "********") if secret else text

    def _tell_waits(self) -> None:
        for reason, seconds in (self._transport.budget.reasons if self._transport else {}).items():
            if seconds >= _NOTEWORTHY_WAIT:
                self.ansible.warn(f"Waited {describe_seconds(seconds)} for {reason}.")


class Environments:
    """Looks environments up, with as few requests as what is asked for needs.

    A management key without C(environments:read) still works where environments are given by id; their names then stay
    unknown.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._all: list[Environment] | None = None
        self._refused: Forbidden | None = None
        self.known: dict[str, Environment] = {}

    def _load(self) -> list[Environment]:
        if self._refused:
            raise self._refused
        if self._all is None:
            try:
                self._all = self._client.list_environments()
            except Forbidden as exc:
                self._refused = exc
                raise
            self.known.update((entry.id, entry) for entry in self._all)
        return self._all

    def resolve(self, wanted: str) -> Environment:
        """The environment that the user means.

        :raises InputError: there is none, or it can't be looked up.
        """
        try:
            return find_environment(self._load(), wanted)
        except Forbidden as exc:
            if not _looks_like_id(wanted):
                exc.message += f" Or give environment {wanted!r} by its id."
                raise
            return self.known.setdefault(wanted, Environment(wanted))

    def look(self) -> None:
        """Learn of all of them, as far as the management key may know them."""
        try:
            self._load()
        except Forbidden:
            pass

    def name(self, ids: t.Iterable[str]) -> dict[str, Environment]:
        """Names for ids, as far as the management key may know them."""
        if not set(ids) <= set(self.known):
            self.look()
        return self.known


def _looks_like_id(text: str) -> bool:
    """The third character varies with the region."""
    return len(text) > 6 and text.startswith("hc") and text[3:6] == "en_"

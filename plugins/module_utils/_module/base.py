# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What the modules share: how a client is made from their options, and how a task ends."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from .._api.client import Client
from .._api.resources import CreatedKey, looks_like_management_key_id
from .._errors import HoneycombError, InputError
from .._http.transport import REQUESTS_IMPORT_ERROR, US_SERVICE, Transport
from .._time import describe_seconds
from .options import auth_spec, find_problem

try:
    # ansible-core 2.22 and newer mask what is registered; up to 2.21 nothing masks a secret that an API returned.
    from ansible.module_utils.secrets import register_secret
except ImportError:

    def register_secret(value: str) -> str:
        return value


__all__ = ["HoneycombModule", "register_secret"]

# Seconds; a shorter wait is not worth a warning.
_NOTEWORTHY_WAIT = 1.0


class _Module(AnsibleModule):  # type: ignore[misc]
    """An Ansible module that says which entry of a list has the wrong shape."""

    params: dict[str, t.Any]

    def _load_params(self) -> None:
        super()._load_params()
        problem = find_problem(self.argument_spec, self.params)
        if problem:
            self.params = {}
            self.fail_json(msg=problem)


class HoneycombModule:
    """An Ansible module of this collection: its options, its client, and how it ends."""

    def __init__(self, spec: dict[str, t.Any], *, supports_check_mode: bool = True, **constraints: t.Any) -> None:
        self.ansible = _Module(
            argument_spec={**auth_spec(), **spec}, supports_check_mode=supports_check_mode, **constraints
        )
        if REQUESTS_IMPORT_ERROR:
            self.ansible.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR)
        self.params: dict[str, t.Any] = self.ansible.params
        self._hide_misplaced_secret()
        self.check_mode: bool = self.ansible.check_mode
        self._transport: Transport | None = None

    def _hide_misplaced_secret(self) -> None:
        """An id may be shown, and Ansible shows it. But id and secret are easily swapped."""
        key_id = self.params["management_key_id"]
        if key_id and not looks_like_management_key_id(key_id):
            self.ansible.no_log_values.add(key_id)
            register_secret(key_id)

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
        raise AssertionError("exit_json returned")

    def fail(self, error: HoneycombError, **result: t.Any) -> t.NoReturn:
        """End the task with an error, and hand back what was created nevertheless."""
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
        raise AssertionError("fail_json returned")

    def transport(self, connections: int = 1) -> Transport:
        """The HTTP session of this task."""
        for option in ("timeout", "max_wait"):
            value = self.params[option]
            if not (0 if option == "max_wait" else 0.001) <= value <= 86400:
                least = "0" if option == "max_wait" else "0.001"
                raise InputError(
                    f"{option}: {value:g} is out of range; give a number of seconds from {least} to 86400."
                )
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
        for option, variable in (
            ("management_key_id", "HONEYCOMB_KEY_ID"),
            ("management_key_secret", "HONEYCOMB_KEY_SECRET"),
        ):
            value = self.params[option]
            if not value:
                raise InputError(
                    f"{option} is missing. Set it in the task, in module_defaults for "
                    "group/community.honeycomb.honeycomb, "
                    f"or in the environment variable {variable}."
                )
            if not value.isascii() or not value.isprintable() or " " in value:
                raise InputError(f"{option}: it holds characters that can't be in a management key. Copy it again.")
            if ":" in value:
                raise InputError(
                    f"{option}: it holds a colon. Give the id and the secret separately, in "
                    "management_key_id and management_key_secret."
                )
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
        for note in self._transport.notes if self._transport else []:
            self.ansible.warn(note)
        for reason, seconds in (self._transport.budget.reasons if self._transport else {}).items():
            if seconds >= _NOTEWORTHY_WAIT:
                self.ansible.warn(f"Waited {describe_seconds(seconds)} for {reason}.")

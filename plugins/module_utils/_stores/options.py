# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""The store dictionary: its options, which store has which, and how it is completed. Pure, but for the environment."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

from .._errors import InputError

TYPES = ("file", "ansible_vault", "hashi_vault", "aws_secretsmanager", "kubernetes", "command")
FORMATS = ("plain", "env", "json", "yaml")
AUTH_METHODS = ("token", "approle", "jwt", "kubernetes")
PRESETS = ("pass", "sops", "systemd_creds")


@dataclass(frozen=True)
class Option:
    """One option of the store dictionary.

    :param kind: Its type in an argument spec.
    :param types: The stores that have it.
    :param required: The stores that can't do without it.
    :param variables: Environment variables to take it from, the first that is not empty.
    :param variables_for: The stores that take it from there; by default all that have it.
    :param secret: Whether it must not be shown.
    :param template: Whether ``{name}``, ``{environment}`` and ``{key_type}`` in it are filled in.
    """

    kind: str
    types: tuple[str, ...]
    required: tuple[str, ...] = ()
    default: t.Any = None
    choices: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    variables_for: tuple[str, ...] = TYPES
    secret: bool = False
    template: bool = True


_FILES = ("file", "ansible_vault")
_VAULT = ("hashi_vault",)
_AWS = ("aws_secretsmanager",)
_KUBERNETES = ("kubernetes",)
_COMMAND = ("command",)

OPTIONS: dict[str, Option] = {
    "path": Option("str", (*_FILES, *_VAULT, *_COMMAND), required=(*_FILES, *_VAULT)),
    "format": Option("str", (*_FILES, *_COMMAND), default="plain", choices=FORMATS, template=False),
    "entry": Option("str", (*_FILES, *_COMMAND)),
    "owner": Option("str", (*_FILES, *_COMMAND), template=False),
    "group": Option("str", (*_FILES, *_COMMAND), template=False),
    "mode": Option("raw", (*_FILES, *_COMMAND), template=False),
    "vault_id": Option("str", ("ansible_vault",), variables=("ANSIBLE_VAULT_IDENTITY",), template=False),
    "vault_password_file": Option(
        "str", ("ansible_vault",), variables=("ANSIBLE_VAULT_PASSWORD_FILE",), template=False
    ),
    "url": Option("str", _VAULT, required=_VAULT, variables=("VAULT_ADDR", "BAO_ADDR"), template=False),
    "mount": Option("str", _VAULT, default="secret"),
    "field": Option("str", (*_VAULT, *_AWS, *_KUBERNETES), required=_KUBERNETES),
    "namespace": Option(
        "str",
        (*_VAULT, *_KUBERNETES),
        required=_KUBERNETES,
        variables=("VAULT_NAMESPACE", "BAO_NAMESPACE"),
        variables_for=_VAULT,
    ),
    "auth_method": Option("str", _VAULT, default="token", choices=AUTH_METHODS, template=False),
    "auth_mount": Option("str", _VAULT, template=False),
    "token": Option("str", _VAULT, variables=("VAULT_TOKEN", "BAO_TOKEN"), secret=True, template=False),
    "role_id": Option("str", _VAULT, variables=("VAULT_ROLE_ID",), template=False),
    "role_secret_id": Option("str", _VAULT, variables=("VAULT_SECRET_ID",), secret=True, template=False),
    "role": Option("str", _VAULT, variables=("VAULT_ROLE",), template=False),
    "jwt": Option("str", _VAULT, variables=("VAULT_JWT",), secret=True, template=False),
    "ca_path": Option("str", _VAULT, variables=("VAULT_CACERT", "BAO_CACERT"), template=False),
    "validate_certs": Option("bool", _VAULT, default=True, template=False),
    "secret_id": Option("str", _AWS, required=_AWS),
    "region": Option("str", _AWS, variables=("AWS_REGION", "AWS_DEFAULT_REGION"), template=False),
    "profile": Option("str", _AWS, variables=("AWS_PROFILE",), template=False),
    "endpoint_url": Option(
        "str", _AWS, variables=("AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL"), template=False
    ),
    "kms_key_id": Option("str", _AWS, template=False),
    "secret": Option("str", _KUBERNETES, required=_KUBERNETES),
    "kubeconfig": Option("str", _KUBERNETES, variables=("KUBECONFIG",), template=False),
    "context": Option("str", _KUBERNETES, template=False),
    "preset": Option("str", _COMMAND, choices=PRESETS, template=False),
    "write": Option("list", _COMMAND),
    "read": Option("list", _COMMAND),
    "write_pending": Option("list", _COMMAND),
    "read_pending": Option("list", _COMMAND),
    "publish": Option("list", _COMMAND),
}


SECRETS = tuple(name for name, option in OPTIONS.items() if option.secret)


def merged(default: t.Mapping[str, t.Any] | None, own: t.Mapping[str, t.Any] | None) -> dict[str, t.Any] | None:
    """The dictionary of one key: what it has of its own over what is said for all.

    One of another type stands by itself.

    :returns: ``None`` where neither is given.
    """
    given = {name: value for name, value in (default or {}).items() if value is not None}
    if own is None:
        return given or None
    if own.get("type", given.get("type")) != given.get("type"):
        given = {}
    return {**given, **own}


def misplaced_secret(own: t.Any) -> str | None:
    """The name of a secret in a dictionary that is for one of many keys, where Ansible would not hide it."""
    return next((name for name in SECRETS if isinstance(own, dict) and own.get(name) not in (None, "")), None)


def complete(given: t.Mapping[str, t.Any], label: str = "store") -> dict[str, t.Any]:
    """The dictionary with defaults, what the environment provides, and ``None`` for the rest.

    :param given: What the user wrote; ``None`` is the same as missing.
    :param label: Which option it is, for messages.
    :raises InputError: An unknown type, an option that this store does not have, or one that is missing.
    """
    check_names(given, label)
    options = {name: value for name, value in given.items() if value is not None}
    kind = options.pop("type")
    found = {"type": kind}
    for name, option in OPTIONS.items():
        if kind in option.types:
            found[name] = _value(option, kind, options.get(name))
            if option.choices and found[name] is not None and found[name] not in option.choices:
                raise InputError(f"{label}.{name}: {found[name]!r} is not one of {', '.join(option.choices)}.")
    for name, option in OPTIONS.items():
        if kind in option.required and found[name] in (None, ""):
            told = option.variables and kind in option.variables_for
            variables = f", or in the environment variable {option.variables[0]}" if told else ""
            raise InputError(f"{label}.{name} is missing: a store of type {kind} needs it. Set it there{variables}.")
    return found


def check_names(given: t.Mapping[str, t.Any], label: str = "store") -> None:
    """Refuse a dictionary with an unknown type, or with an option that its store does not have. Reads nothing else.

    :raises InputError: naming the option.
    """
    options = {name: value for name, value in given.items() if value is not None}
    kind = options.pop("type", None)
    if kind not in TYPES:
        raise InputError(f"{label}.type: there is no store {kind!r}. There are: {', '.join(TYPES)}.")
    for name in options:
        if name not in OPTIONS or kind not in OPTIONS[name].types:
            own = ", ".join(sorted(other for other, option in OPTIONS.items() if kind in option.types))
            raise InputError(f"{label}.{name}: a store of type {kind} has no such option. It has: {own}.")


def _value(option: Option, kind: str, given: t.Any) -> t.Any:
    if given not in (None, ""):
        return given
    for variable in option.variables if kind in option.variables_for else ():
        if os.environ.get(variable):
            return os.environ[variable]
    return option.default

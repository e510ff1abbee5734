# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.


"""From a store dictionary to its store. Here a new store gets its name."""

from __future__ import annotations

import typing as t

from .store import Sessions, Store


def open_store(options: t.Mapping[str, t.Any], timeout: float, sessions: Sessions) -> Store:
    """The store that a completed dictionary describes. Opening needs no I/O.

    :raises InputError: An option has a value that this store can't use.
    """
    return _class_of(options)(options, timeout, sessions)


def _class_of(options: t.Mapping[str, t.Any]) -> type[Store]:
    """Imported when used: most tasks need one store, or none."""
    kind = options["type"]
    if kind == "file":
        from .file import FileStore

        return FileStore
    if kind == "ansible_vault":
        from .ansible_vault import AnsibleVaultStore

        return AnsibleVaultStore
    if kind == "hashi_vault":
        from .hashi_vault import HashiVaultStore

        return HashiVaultStore
    if kind == "aws_secretsmanager":
        from .aws_secretsmanager import AwsSecretsManagerStore

        return AwsSecretsManagerStore
    if kind == "kubernetes":
        from .kubernetes import KubernetesStore

        return KubernetesStore
    if options.get("preset"):
        from .presets import preset_of

        return preset_of(options)
    from .command import CommandStore

    return CommandStore

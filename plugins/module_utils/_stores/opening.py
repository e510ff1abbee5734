# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""From a store dictionary to its store. Here a new store gets its name."""

from __future__ import annotations

import typing as t

from .ansible_vault import AnsibleVaultStore
from .aws_secretsmanager import AwsSecretsManagerStore
from .command import CommandStore
from .file import FileStore
from .hashi_vault import HashiVaultStore
from .kubernetes import KubernetesStore
from .store import Sessions, Store

_STORES: dict[str, type[Store]] = {
    store.type: store
    for store in (
        AnsibleVaultStore,
        AwsSecretsManagerStore,
        CommandStore,
        FileStore,
        HashiVaultStore,
        KubernetesStore,
    )
}


def open_store(options: t.Mapping[str, t.Any], timeout: float, sessions: Sessions) -> Store:
    """The store that a completed dictionary describes. Opening needs no I/O.

    :raises InputError: An option has a value that this store can't use.
    """
    return _STORES[options["type"]](options, timeout, sessions)

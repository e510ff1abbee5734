# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.


"""Client libraries of stores. They are imported when they are used: most hosts need none."""

from __future__ import annotations

import importlib
import platform
import sys
import typing as t

from .store import StoreError


def library(name: str, store: str, wanted: str | None = None) -> t.Any:
    """A client library.

    :param name: The module to import.
    :param store: The type of store that needs it.
    :param wanted: What to tell pip, where that is not the name.
    :raises StoreError: It is missing.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise StoreError(
            f"The Python library {package} is missing on {platform.node()}, in {sys.executable}: a store of type "
            f"{store} needs it. Nothing was written.",
            advice=f"Install it there: pip install {wanted or package}.",
        ) from None

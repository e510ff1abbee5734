# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A search for secrets, in whatever form they may have got out."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote


def forms(secret: str) -> set[str]:
    """A secret as it may turn up: plain, in JSON, in an address, and inside base64 at each of its three alignments."""
    found = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + secret.encode()).decode().rstrip("=")
        # The characters at both ends depend on their neighbours too.
        found.add(encoded[(0, 2, 3)[offset] : -1])
    return found


def leaked(sim: Any, text: str, allowed: Iterable[str] = ()) -> list[str]:
    """Which secrets of a simulator stand in a text, apart from those that are part of what is ``allowed``."""
    secrets = [secret for secret in sim.issued_secrets() if not any(secret in given for given in allowed)]
    assert secrets, "the simulator has issued no secret, so that nothing can be found"
    return [secret for secret in secrets if any(form in text for form in forms(secret))]


def text_of(folder: Path, but: Iterable[Path] = ()) -> str:
    """The names and contents of all files below a folder."""
    skipped = set(but)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path not in skipped]
    return "\n".join(f"{path}\n{path.read_bytes().decode('utf-8', 'replace')}" for path in files)

# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The search for secrets that other tests rely on finds what is there."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from tools.leaks import leaked, text_of

SECRET = 'se/cret "of" 25 characters'
SIM = SimpleNamespace(issued_secrets=lambda: [SECRET, "another one"])


@pytest.mark.parametrize(
    "written",
    [
        str,
        json.dumps,
        lambda text: quote(text, safe=""),
        *(
            lambda text, before=before: base64.b64encode(f"{before}{text}, and more".encode()).decode()
            for before in ("", "u", "us", "use", "user")
        ),
    ],
    ids=["plain", "JSON", "address", *(f"base64 at {number}" for number in range(5))],
)
def test_a_secret_is_found_in_every_form(written: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text(f"before {written(SECRET)} after")
    assert leaked(SIM, text_of(tmp_path)) == [SECRET]
    assert leaked(SIM, text_of(tmp_path, but=[tmp_path / "folder" / "file"])) == []
    assert leaked(SIM, text_of(tmp_path), allowed=[SECRET]) == []


def test_a_secret_is_found_in_the_name_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "another one").touch()
    assert leaked(SIM, text_of(tmp_path)) == ["another one"]


def test_a_search_for_nothing_fails() -> None:
    with pytest.raises(AssertionError, match="no secret"):
        leaked(SIM, "text", allowed=[SECRET, "another one"])

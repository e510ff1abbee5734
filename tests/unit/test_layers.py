# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rooms of module_utils: each one imports only from those below it, and nothing lies outside of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

from tools.workspace import ROOT

PLUGINS = ROOT / "plugins"
UTILS = PLUGINS / "module_utils"
COLLECTION = "ansible_collections.community.honeycomb.plugins."

FLAT = {"_errors", "_time", "_parallel"}
# Which rooms a room may import from, besides itself
MAY_IMPORT: dict[str, Any] = {
    "_errors": set(),
    "_time": {"_errors"},
    "_parallel": {"_errors"},
    "_http": FLAT,
    "_api": FLAT | {"_http"},
    "_stores": FLAT,
    "_keys": FLAT | {"_http", "_api", "_stores"},
    "_environments": FLAT | {"_http", "_api"},
    "_rotation": FLAT | {"_http", "_api", "_stores", "_keys", "_environments"},
    "_audit": FLAT | {"_http", "_api", "_stores", "_keys", "_environments"},
    "_module": FLAT | {"_http", "_api", "_stores", "_keys", "_environments", "_rotation", "_audit"},
}
# Modules only name their options and what to run. These hold names that appear among options.
FOR_SPECS = {"_api/resources.py"}
# Filters and action plugins make pure decisions available to roles.
FOR_FILTERS = {"_keys", "_rotation"}
# Lookups read stores.
FOR_LOOKUPS = {"_stores", "_errors"}

FILES = sorted(
    path.relative_to(PLUGINS)
    for folder in ("modules", "action", "filter", "lookup", "module_utils")
    for path in PLUGINS.glob(f"{folder}/**/*.py")
)


def imported(path: Path, source: str) -> Iterator[Path]:
    """The files of the collection, relative to plugins, that the source of a file imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = path.parts[: len(path.parts) - node.level] if node.level else ()
            module = ".".join([*package, *([node.module] if node.module else [])])
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
            names = [COLLECTION + name for name in names] if node.level else names
        else:
            continue
        for name in names:
            file = Path(*name.removeprefix(COLLECTION).split(".")).with_suffix(".py")
            if name.startswith(COLLECTION) and (PLUGINS / file).is_file():
                yield file


def room(path: Path) -> str:
    """The folder below module_utils, or the name of a file that lies there by itself."""
    return path.relative_to("module_utils").parts[0].removesuffix(".py")


def forbidden(path: Path, source: str) -> list[str]:
    """What a file imports and may not."""
    files = list(imported(path, source))
    if path.parts[0] == "modules":
        allowed = {Path("module_utils", name) for name in FOR_SPECS}
        return [
            str(file)
            for file in files
            if file not in allowed and (file.parts[0] == "modules" or room(file) != "_module")
        ]
    if path.parts[0] in ("action", "filter", "lookup"):
        allowed_rooms = FOR_LOOKUPS if path.parts[0] == "lookup" else FOR_FILTERS
        return [str(file) for file in files if file.parts[0] != "module_utils" or room(file) not in allowed_rooms]
    return [
        str(file)
        for file in files
        if file.parts[0] != "module_utils" or room(file) not in MAY_IMPORT[room(path)] | {room(path)}
    ]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_imports_only_from_below(path: Path) -> None:
    if path.parts[0] == "module_utils":
        assert room(path) in MAY_IMPORT, "a file outside of the rooms"
    assert forbidden(path, (PLUGINS / path).read_text()) == []


@pytest.mark.parametrize("path", [path for path in FILES if path.parts[0] == "module_utils"], ids=str)
def test_a_file_says_that_it_is_private(path: Path) -> None:
    assert "\n# Private to this collection: " in (PLUGINS / path).read_text()


def test_no_circle() -> None:
    graph = {path: set(imported(path, (PLUGINS / path).read_text())) for path in FILES}
    assert sum(map(len, graph.values())) > len(FILES)
    TopologicalSorter(graph).prepare()  # CycleError names the files
    TopologicalSorter(MAY_IMPORT).prepare()


def test_tests_are_in_the_rooms_that_they_test() -> None:
    tests = ROOT / "tests" / "unit" / "plugins" / "module_utils"
    tested = {path.relative_to(tests).parts[0] for path in tests.rglob("test_*.py")}
    assert {name.removeprefix("test").removesuffix(".py") for name in tested} <= set(MAY_IMPORT)
    assert all((UTILS / name.replace("test_", "_")).exists() for name in tested)


@pytest.mark.parametrize(
    ("path", "line", "found"),
    [
        ("module_utils/_http/transport.py", "from .._api.client import Client", "module_utils/_api/client.py"),
        ("module_utils/_http/transport.py", "from .._api import client", "module_utils/_api/client.py"),
        ("module_utils/_keys/plan.py", "from .._environments.lookup import x", "module_utils/_environments/lookup.py"),
        ("module_utils/_keys/plan.py", f"import {COLLECTION}modules.honeycomb_api_key", "modules/honeycomb_api_key.py"),
        ("module_utils/_rotation/decisions.py", "from .._module import base", "module_utils/_module/base.py"),
        ("module_utils/_stores/file.py", "from .._http.transport import x", "module_utils/_http/transport.py"),
        ("module_utils/_errors.py", "def f():\n    from . import _time", "module_utils/_time.py"),
        ("filter/provision.py", "from ..module_utils._module import base", "module_utils/_module/base.py"),
        ("lookup/stored_key.py", "from ..module_utils._keys import plan", "module_utils/_keys/plan.py"),
        ("module_utils/_keys/plan.py", "from ...filter import provision", "filter/provision.py"),
        ("modules/honeycomb_api_key.py", "from ..module_utils._keys.plan import x", "module_utils/_keys/plan.py"),
        (
            "modules/honeycomb_api_key.py",
            f"from {COLLECTION}module_utils._http.transport import x",
            "module_utils/_http/transport.py",
        ),
    ],
)
def test_a_wrong_import_is_found(path: str, line: str, found: str) -> None:
    assert forbidden(Path(path), line) == [found]

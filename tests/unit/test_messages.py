# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The messages that the guides quote are messages of the code.

Pages have tables with the header "It says". Each quote in their first column has to be a part of one string in plugins/
or roles/, with anything in place of ``...``. Docstrings, comments and the documentation of modules do not count.
"""

from __future__ import annotations

import ast
import difflib
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path for path in (ROOT / "docs" / "docsite" / "rst").glob("*.rst") if "- It says\n" in path.read_text())
# Stands for what a message gets at run time; no page quotes it.
PLACEHOLDER = "\0"
DOCUMENTATION = {"DOCUMENTATION", "EXAMPLES", "RETURN"}


def squeeze(text: str) -> str:
    """The text with single spaces in place of white space: pages and sources break lines in different places."""
    return re.sub(r"\s+", " ", text).strip()


def quotes(page_text: str) -> list[str]:
    """The quotes in the first columns of a page's tables of messages, in order."""
    tables = re.findall(r"^   \* - It says\n(.*?)(?:\n\n(?! )|\Z)", page_text, re.MULTILINE | re.DOTALL)
    rows = [row for table in tables for row in re.split(r"^   \* - ", table, flags=re.MULTILINE)[1:]]
    first_cells = [squeeze(re.split(r"^     - ", row, flags=re.MULTILINE)[0]) for row in rows]
    return [quote for cell in first_cells for quote in re.findall(r"``(.+?)``", cell)]


def literal(node: ast.AST) -> str:
    """What is literal in an expression, with placeholders for the rest. Only strings have anything literal."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(literal(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return literal(node.left) + literal(node.right)
    return PLACEHOLDER


def is_documentation(node: ast.AST) -> bool:
    """Whether a statement is a docstring, or the documentation of a module."""
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id in DOCUMENTATION for target in node.targets)
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def python_strings(source: str) -> Iterator[str]:
    """The strings of a Python file, each as a whole and in its parts; f-strings and sums have placeholders."""
    nodes: list[ast.AST] = [ast.parse(source)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, (ast.Constant, ast.JoinedStr, ast.BinOp)):
            yield literal(node)
        nodes += [child for child in ast.iter_child_nodes(node) if not is_documentation(child)]


def yaml_strings(source: str) -> Iterator[str]:
    """The strings of a YAML file, with placeholders for Jinja; strings within Jinja come by themselves."""

    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            for entry in value:
                yield from walk(entry)
        elif isinstance(value, str):
            yield re.sub(r"\{\{.*?\}\}|\{%.*?%\}", PLACEHOLDER, value, flags=re.DOTALL)
            for jinja in re.findall(r"\{\{.*?\}\}|\{%.*?%\}", value, re.DOTALL):
                yield from re.findall(r"'([^']*)'", jinja)

    yield from walk(yaml.safe_load(source))


@functools.cache
def strings() -> frozenset[str]:
    """Every string of the code that may be a message, or a part of one."""
    found: set[str] = set()
    for path in (ROOT / "plugins").rglob("*.py"):
        if "doc_fragments" not in path.parts:
            found.update(squeeze(text) for text in python_strings(path.read_text()))
    for path in (ROOT / "roles").rglob("*.yml"):
        if "meta" not in path.parts:
            found.update(squeeze(text) for text in yaml_strings(path.read_text()))
    return frozenset(text for text in found if text.strip(PLACEHOLDER + " "))


def is_said(quote: str, said: frozenset[str] | set[str]) -> bool:
    """Whether one of the strings has the parts of a quote, in this order."""
    pattern = ".*".join(re.escape(part.strip()) for part in quote.split("..."))
    return any(re.search(pattern, text) for text in said)


def closest(quote: str, said: frozenset[str]) -> str:
    """The string that is most like a quote, for whoever has to correct it."""

    def likeness(text: str) -> float:
        matcher = difflib.SequenceMatcher(None, quote.lower(), text.lower(), autojunk=False)
        return sum(block.size**2 for block in matcher.get_matching_blocks()) / len(quote) ** 2

    return max(said, key=lambda text: (likeness(text), -len(text))).replace(PLACEHOLDER, "...")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_quoted_messages_are_said(page: Path) -> None:
    quoted = quotes(page.read_text())
    assert quoted
    wrong = [
        f"{page.relative_to(ROOT)} quotes {quote!r}, but no message says this. Closest: {closest(quote, strings())!r}"
        for quote in quoted
        if not is_said(quote, strings())
    ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_pages_have_tables_of_messages() -> None:
    assert {page.name for page in PAGES} == {"guide_troubleshooting.rst", "runbook_rotation.rst"}


def test_how_quotes_are_found() -> None:
    page = """
.. list-table::
   :header-rows: 1

   * - It says
     - What to do
   * - ``one``, ``two
       lines``
     - ``not`` this.
   * - something else
     - Nothing.

.. list-table::

   * - Another
   * - ``no``
"""
    assert quotes(page) == ["one", "two lines"]


@pytest.mark.parametrize(
    ("quote", "said"),
    [
        ("name: ... is called ...", True),
        ("... is called ...", True),
        ("is called by name", False),
        ("over two lines", True),
        ("a sum ... of parts", True),
        ("inside a placeholder", True),
        ("the end. name", False),  # of two strings
        ("only a docstring", False),
        ("only a comment", False),
        ("only documentation", False),
    ],
)
def test_what_python_says(quote: str, said: bool) -> None:
    source = '''
"""only a docstring"""
DOCUMENTATION = r"""only documentation"""
def f(name):
    # only a comment
    first = f"name: {name!r} is called {name}, " "over two " f"lines"
    return "a sum " + ("inside a placeholder" if name else name) + " of parts", "the end.", "name"
'''
    assert is_said(quote, {squeeze(text) for text in python_strings(source)}) is said


@pytest.mark.parametrize(
    ("quote", "said"),
    [("Not every host has ...: see ...", True), ("nothing was read", True), ("Fail", True), ("a comment", False)],
)
def test_what_yaml_says(quote: str, said: bool) -> None:
    source = """
- name: Fail  # a comment
  ansible.builtin.fail:
    msg: >-
      Not every host has {{ value if value else 'nothing was
      read' }}: see
      {{ place }}.
"""
    assert is_said(quote, {squeeze(text) for text in yaml_strings(source)}) is said

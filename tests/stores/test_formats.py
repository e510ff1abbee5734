# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents are edited: the value arrives, and nothing else changes."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.community.honeycomb.plugins.module_utils._stores.formats import (
    FormatError,
    read_entry,
    write_entries,
)

VALUE = "hcxik_01hqk4k20cjeh63wca8vva5stw0aZ9bY8cX7dW6eV5fU4gT3hS2iR1j"


def edited(text: str, format: str, entry: str = "", value: str = VALUE) -> str:
    """The text with the value, which is also read back."""
    result = write_entries(text, format, {entry: value})
    assert read_entry(result, format, entry) == value
    return result


# -- plain ---------------------------------------------------------------------------------------------------------


def test_a_plain_file_is_the_value_and_nothing_else() -> None:
    assert edited("", "plain") == VALUE


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_plain_file_keeps_its_end(end: str) -> None:
    assert read_entry("old" + end, "plain", "") == "old"
    assert edited("old" + end, "plain") == VALUE + end


def test_only_one_line_end_of_a_plain_file_is_no_part_of_its_value() -> None:
    assert read_entry("old\n\n", "plain", "") == "old\n"
    with pytest.raises(FormatError):
        write_entries("", "plain", {"": "two\n"})


# -- env -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "KEY={}\n"),
        ("A=1", "A=1\nKEY={}\n"),
        ("A=1\r\n", "A=1\r\nKEY={}\r\n"),
        ("# KEY=no\n\nKEY=old\nB=2\n", "# KEY=no\n\nKEY={}\nB=2\n"),
        ("export KEY=old  # why\n", "export KEY={}  # why\n"),
        ("KEY='old'\r\nB=2\r\n", "KEY='{}'\r\nB=2\r\n"),
        ('KEY="old \\" #no" # yes\n', 'KEY="{}" # yes\n'),
        ("KEY=\n", "KEY={}\n"),
        ("KEY= # none\n", "KEY={} # none\n"),
        ("KEY=old#part\n", "KEY={}\n"),
        ("  KEY = old words \n", "  KEY = {} \n"),
        ("KEY=1\nKEY='2'\n", "KEY={}\nKEY='{}'\n"),
        ("PEM='a\nKEY=no\nb'\nB=1\n", "PEM='a\nKEY=no\nb'\nB=1\nKEY={}\n"),
        ("OTHER_KEY=1\nKEY_2=2\n", "OTHER_KEY=1\nKEY_2=2\nKEY={}\n"),
        ("B=it's\nKEY=old\nC='\n", "B=it's\nKEY={}\nC='\n"),
        ("\ufeffKEY=old\n", "\ufeffKEY={}\n"),
    ],
)
def test_a_variable_is_written_and_the_rest_kept(before: str, after: str) -> None:
    assert edited(before, "env", "KEY") == after.replace("{}", VALUE)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KEY=a", "a"),
        ("KEY='a b'", "a b"),
        ('KEY="a \\"b\\" \\$c \\\\ \\d"', 'a "b" $c \\ \\d'),
        ("export KEY=a # c", "a"),
        ("KEY=1\nKEY=2", "2"),
        ("KEY=''", ""),
        ("KEY", None),
    ],
)
def test_a_variable_is_read_as_a_shell_does(line: str, value: str | None) -> None:
    assert read_entry(line + "\n", "env", "KEY") == value


@pytest.mark.parametrize("entry", ["", "A-B", "1A", "A B", "A=B", "Ä", "A\n"])
def test_no_variable_of_this_name(entry: str) -> None:
    with pytest.raises(FormatError):
        write_entries("", "env", {entry: VALUE})


def test_several_lines_are_no_value_of_a_variable() -> None:
    with pytest.raises(FormatError, match="several lines"):
        write_entries("", "env", {"KEY": "a\nb"})


words = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=12)


@given(value=words, old=st.sampled_from(["", "KEY=old\n", "KEY='old'\n", 'export KEY="old"\n']), other=words)
def test_a_shell_reads_what_was_written(value: str, old: str, other: str) -> None:
    text = write_entries(write_entries(old, "env", {"OTHER": other}), "env", {"KEY": value})
    shown = subprocess.run(
        ["sh", "-c", 'eval "$1"; printf "%s\\n%s" "$KEY" "$OTHER"', "sh", text],
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    assert shown.stdout == f"{value}\n{other}"
    assert read_entry(text, "env", "KEY") == value


# -- JSON ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "entry", "after"),
    [
        ("", "a.b", '{\n  "a": {\n    "b": "%"\n  }\n}\n'),
        ("{}", "a", '{\n  "a": "%"\n}'),
        ('{"a": "old", "n": 1.50}', "a", '{"a": "%", "n": 1.50}'),
        ('{"n":1}', "a", '{"n":1,"a":"%"}'),
        ('{"n": 1}', "a.b", '{"n": 1, "a": {"b": "%"}}'),
        ('{\n\t"x": [1,  2],\n\t"a": {}\n}\n', "a.b", '{\n\t"x": [1,  2],\n\t"a": {\n\t\t"b": "%"\n\t}\n}\n'),
        (
            '{\n    "a": {\n        "x": 1\n    }\n}',
            "a.b",
            '{\n    "a": {\n        "x": 1,\n        "b": "%"\n    }\n}',
        ),
        ('{\n  "x": 1\n}\n', "a.b", '{\n  "x": 1,\n  "a": {\n    "b": "%"\n  }\n}\n'),
        ('{\r\n  "x": 1\r\n}\r\n', "a", '{\r\n  "x": 1,\r\n  "a": "%"\r\n}\r\n'),
        ('{"a": null}', "a", '{"a": "%"}'),
        ('{"a": null}', "a.b", '{"a": {"b": "%"}}'),
        ('{"x.y": "old"}', "x\\.y", '{"x.y": "%"}'),
        ('{"x": "\\u00e9", "a": 1, "z": 1e400}', "a", '{"x": "\\u00e9", "a": "%", "z": 1e400}'),
        ('{"x": 1, "x": 2}', "a", '{"x": 1, "x": 2, "a": "%"}'),
    ],
)
def test_a_json_document_keeps_its_layout(before: str, entry: str, after: str) -> None:
    assert edited(before, "json", entry) == after.replace("%", VALUE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "not a mapping"),
        ('{"a": {"b": 1}}', "mapping or a list"),
        ('{"a": [1]}', "mapping or a list"),
        ('{"a": 1, "a": 2}', "more than once"),
        ('{"a": ', "not valid JSON"),
        ("{'a': 1}", "line 1"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_a_json_document_that_has_no_place_for_a_value(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        write_entries(text, "json", {"a": VALUE})


def test_a_value_is_no_mapping_on_the_way() -> None:
    for format in ("json", "yaml"):
        with pytest.raises(FormatError, match="since a is not a mapping"):
            write_entries('{"a": "x"}', format, {"a.b": VALUE})
        with pytest.raises(FormatError, match="since a is not a mapping"):
            read_entry('{"a": "x"}', format, "a.b")


keys = st.text("abcXYZ_09-", min_size=1, max_size=4)
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words | st.sampled_from(["", "no", "1"])
)
documents: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    keys,
    st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)),
    max_size=4,
)
paths = st.lists(keys, min_size=1, max_size=3)


def with_value(data: Any, path: list[str], value: str) -> Any:
    """What a document has to hold; KeyError where there is no room for the value."""
    if not path:
        if isinstance(data, (dict, list)):
            raise KeyError
        return value
    if not isinstance(data, dict) and data is not None:
        raise KeyError
    inner = data or {}
    return {**inner, path[0]: with_value(inner.get(path[0]), path[1:], value)}


@given(
    data=documents,
    path=paths,
    value=words,
    indent=st.sampled_from([None, 1, 2, 4, "\t"]),
    end=st.sampled_from(["", "\n"]),
)
def test_any_json_document_keeps_what_it_holds(
    data: dict[str, Any], path: list[str], value: str, indent: int | str | None, end: str
) -> None:
    text = json.dumps(data, indent=indent) + end
    try:
        expected = with_value(data, path, value)
    except KeyError:
        with pytest.raises(FormatError):
            write_entries(text, "json", {".".join(path): value})
        return
    result = edited(text, "json", ".".join(path), value)
    assert json.loads(result) == expected
    assert list(json.loads(result))[: len(data)] == list(data), "the order changed"
    if data:
        # As it would have been written at once: the layout is the document's.
        assert result == json.dumps(expected, indent=indent) + end or indent is None


# -- YAML ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "entry", "after"),
    [
        ("", "a.b", "a:\n  b: %\n"),
        ("# only a comment", "a", "# only a comment\na: %\n"),
        ("---\n# c\n", "a", "---\n# c\na: %\n"),
        ("---\n...\n", "a", "---\na: %\n...\n"),
        ("{}\n", "a", "a: %\n"),
        ("---\n{}\n", "a", "---\na: %\n"),
        ("a: old  # c\nb: 1\n", "a", "a: %  # c\nb: 1\n"),
        ("a: 'old'\n", "a", "a: '%'\n"),
        ('a: "old"\n', "a", 'a: "%"\n'),
        ("a: >-  # c\n  old\n  text\n\n# d\nb: 1", "a", "a: %  # c\n\n# d\nb: 1"),
        ("a:\n  b: 1\n\n# about c\nc: yes\n", "a.x", "a:\n  b: 1\n  x: %\n\n# about c\nc: yes\n"),
        (
            "a:\n    b: 1  # one\n    # inner\n# outer\nc: 1\n",
            "a.x",
            "a:\n    b: 1  # one\n    x: %\n    # inner\n# outer\nc: 1\n",
        ),
        ("a:\n  b:\n    c: 1\n    # deep\n", "a.x", "a:\n  b:\n    c: 1\n    # deep\n  x: %\n"),
        ("a:\n  - 1\n  - b: 2\n", "x.y", "a:\n  - 1\n  - b: 2\nx:\n  y: %\n"),
        ("a:\n- 1\n- 2\n", "x", "a:\n- 1\n- 2\nx: %\n"),
        ("a:  # none yet\nb: 1\n", "a.x", "a:  # none yet\n  x: %\nb: 1\n"),
        ("a: null\nb: 1\n", "a.x", "a:\n  x: %\nb: 1\n"),
        ("a: ~ # c\n", "a.x", "a:  # c\n  x: %\n"),
        ("a: {}\n", "a.x", "a:\n  x: %\n"),
        ("a:\n", "a", "a: %\n"),
        ("a: {b: 1, c: [1]} # c\n", "a.x", "a: {b: 1, c: [1], x: %} # c\n"),
        ("a: {b: {}}\n", "a.b.x", "a: {b: {x: %}}\n"),
        ("a: {b: 1,\n}\n", "a.x.y", "a: {b: 1, x: {y: %},\n}\n"),
        ("a: 1\r\nb: 2\r\n", "c", "a: 1\r\nb: 2\r\nc: %\r\n"),
        ("a: 1\r\nb: 2", "a.x".replace("a.x", "b"), "a: 1\r\nb: %"),
        ("x: &x {q: 1}\ny:\n  <<: *x\n  k: old\n", "y.k", "x: &x {q: 1}\ny:\n  <<: *x\n  k: %\n"),
        ("x: &x 1\ny: *x\n", "z", "x: &x 1\ny: *x\nz: %\n"),
        ("s: !vault |\n  $ANSIBLE\n\n\n# end\n", "z", "s: !vault |\n  $ANSIBLE\n\n\nz: %\n# end\n"),
        ("t: |+\n  keep\n\n", "z", "t: |+\n  keep\n\nz: %\n"),
        ("d: 1\nd: 2\n", "z", "d: 1\nd: 2\nz: %\n"),
        ("%YAML 1.1\n---\na: old\n", "a", None),
        ("\ufeffa: old\n", "a", "\ufeffa: %\n"),
        ("1: old\n", "1", "1: %\n"),
    ],
)
def test_a_yaml_document_keeps_every_other_byte(before: str, entry: str, after: str | None) -> None:
    expected = before.replace("old", VALUE) if after is None else after.replace("%", VALUE)
    assert edited(before, "yaml", entry) == expected


@pytest.mark.parametrize(
    ("text", "entry", "message"),
    [
        ("- a\n", "a", "the document is not a mapping"),
        ("a: {b: 1}\n", "a", "mapping or a list"),
        ("a: [1]\n", "a.b", "a is not a mapping"),
        ("a: 1\na: 2\n", "a", "more than once"),
        ("a: 1\n---\nb: 1\n", "a", "several YAML documents"),
        ("a: [\n", "a", r"not valid YAML \(line 2\)"),
        ("x: &x 1\na: *x\n", "a", "alias"),
        ("a: &x 1\ny: *x\n", "a", "can't be written without changing something else"),
        ("x: &x {q: 1}\na: *x\n", "a.k", "can't be written without changing something else"),
        ("x: &x {k: 1}\na:\n  <<: *x\n", "a.k", "<<"),
        ("a: &a [*a]\n", "b", "can't be written without changing something else"),
        ("? a\n: 1\n", "b", "can't be written without changing something else"),
        ("a: \x01\n", "a", "not valid YAML"),
        ("", "a..b", "empty key"),
        ("", "", "needs entry"),
    ],
)
def test_a_yaml_document_that_is_better_left_alone(text: str, entry: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        write_entries(text, "yaml", {entry: VALUE})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: x\n", "x"),
        ("a: 12\n", "12"),
        ("a: 010\n", "010"),
        ("a: yes\n", "yes"),
        ("a: ~\n", None),
        ("a:\n", None),
        ("b: 1\n", None),
    ],
)
def test_a_yaml_value_is_read_as_it_is_written(text: str, value: str | None) -> None:
    assert read_entry(text, "yaml", "a") == value


def test_a_tagged_value_is_no_text() -> None:
    with pytest.raises(FormatError, match="ansible_vault"):
        read_entry("a: !vault x\n", "yaml", "a")
    assert read_entry("a: !vault x\n", "yaml", "a", "!vault") == "x"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "a: !vault |\n  one\n  two\n"),
        ("a: old # c\nb: 1\n", "a: !vault | # c\n  one\n  two\nb: 1\n"),
        ("a: !vault |\n          old\n\n# c\nb: 1\n", "a: !vault |\n  one\n  two\n\n# c\nb: 1\n"),
        ("a: old", "a: !vault |\n  one\n  two\n"),
        ("b: 1\r\n", "b: 1\r\na: !vault |\r\n  one\r\n  two\r\n"),
        ("{b: 1}\n", '{b: 1, a: !vault "one\\ntwo\\n"}\n'),
    ],
)
def test_a_tagged_value_is_a_block(before: str, after: str) -> None:
    assert write_entries(before, "yaml", {"a": "one\ntwo\n"}, "!vault") == after


@pytest.mark.parametrize(
    "value", ["yes", "null", "12", "1e5", "0x1f", "~", "- a", "a: b", "#a", "*a", "2024-01-01", "é\u2028"]
)
def test_a_yaml_value_is_a_string_for_every_reader(value: str) -> None:
    for before in ("", "a: old\n", "a: 'old'\n", "{a: old}\n"):
        assert yaml.safe_load(edited(before, "yaml", "a", value)) == {"a": value}
    assert re.search(r"1e5$", edited("", "yaml", "a", "1e5")) is None, "a number for YAML 1.2"


@given(
    data=documents,
    path=paths,
    value=words,
    flow=st.sampled_from([None, False, True]),
    style=st.sampled_from([None, "'", '"', "|"]),
    start=st.booleans(),
)
def test_any_yaml_document_keeps_what_it_holds(
    data: dict[str, Any], path: list[str], value: str, flow: bool | None, style: str | None, start: bool
) -> None:
    text = yaml.safe_dump(data, default_flow_style=flow, default_style=style, explicit_start=start, sort_keys=False)
    # A comment wherever one can be without becoming a part of a value.
    if style is None and flow is not True and "|" not in text and "?" not in text:
        text = "# first\n" + text + "# last\n"
    comments = [line for line in text.splitlines() if line.startswith("# ")]
    try:
        expected = with_value(data, path, value)
    except KeyError:
        with pytest.raises(FormatError):
            write_entries(text, "yaml", {".".join(path): value})
        return
    try:
        result = edited(text, "yaml", ".".join(path), value)
    except FormatError as exc:
        assert "? " in text or style == "|", f"refused: {exc}"  # an odd layout, which PyYAML writes for long keys
        return
    assert yaml.safe_load(result) == expected
    assert [line for line in result.splitlines() if line.startswith("# ")] == comments


def test_several_entries_are_written_at_once() -> None:
    for format in ("json", "yaml", "env"):
        result = write_entries("", format, {"ONE": "first", "TWO": "second"})
        assert [read_entry(result, format, entry) for entry in ("ONE", "TWO")] == ["first", "second"]


def test_messages_hold_no_values() -> None:
    secret = "s3cr3t-that-nobody-may-see"
    broken = {"json": '{"a": %s', "yaml": "a: {%s", "env": "A=%s\n"}
    for format, text in broken.items():
        with pytest.raises(FormatError) as caught:
            write_entries(text % secret, format, {"A": f"{secret}\n{secret}"})
        assert secret not in str(caught.value)
        assert secret not in repr(caught.value.__cause__)

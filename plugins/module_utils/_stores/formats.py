# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Values inside of documents: a whole text, variables of an env file, paths of keys in JSON and YAML. Pure.

A document is edited, never written anew: only the text of the value changes, or what is missing is inserted. Comments,
order, quoting, blank lines and line ends stay as they are. The outcome is then parsed and compared with what it has to
hold, so an edit that would change anything else is refused.
"""

from __future__ import annotations

import json
import re
import typing as t

from .store import StoreError

_BOM = "\ufeff"


class FormatError(StoreError):
    """A document can't be read, or can't be changed as wanted. It does not name the document: its holder does."""


def read_entry(text: str, format: str, entry: str, tag: str | None = None) -> str | None:
    """The value of an entry; ``None`` where there is none, and for a null.

    :param entry: ``""`` for plain, a variable for env, a path of keys such as ``a.b`` for json and yaml. A dot that
        belongs to a key is written as ``\\.``.
    :param tag: A YAML tag that is read as text. A value with any other tag is refused.
    :raises FormatError: The document is broken, or there is a mapping or a list where a value has to be.
    """
    check_entry(format, entry)
    text = text[1:] if text.startswith(_BOM) else text
    if format == "plain":
        return re.sub(r"\r?\n\Z", "", text)
    if format == "env":
        found = [value for name, value in _env_data(text) if name == entry]
        return found[-1] if found else None
    path = split_entry(entry)
    return _json_read(text, path) if format == "json" else _yaml_read(text, path, tag)


def read_tag(text: str, entry: str) -> str | None:
    """The tag of an entry's value in a YAML document, such as ``!vault``; ``None`` where there is no such entry."""
    node = _yaml_find(_yaml_compose(text), split_entry(entry))
    return None if node is None else str(node.tag)


def write_entries(text: str, format: str, values: t.Mapping[str, str], tag: str | None = None) -> str:
    """The document with these values; missing entries are added, with the mappings that lead to them.

    :param text: The document; an empty one where there is none yet.
    :param tag: A YAML tag that the values get. They are then written as blocks.
    :raises FormatError: It can't be done without changing anything else.
    """
    for entry in values:
        check_entry(format, entry)
    mark, text = (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)
    changed = text
    for entry, value in values.items():
        if format == "plain":
            end = re.search(r"\r?\n\Z", text)
            changed = value + (end.group(0) if end else "")
        elif format == "env":
            changed = _env_write(changed, entry, value)
        elif format == "json":
            changed = _json_write(changed, split_entry(entry), value)
        else:
            changed = _yaml_write(changed, split_entry(entry), value, tag)
    _check(text, changed, format, values, tag)
    return mark + changed


def check_entry(format: str, entry: str) -> None:
    """Whether an entry can be one in this format.

    :raises FormatError: It can't.
    """
    if format == "plain":
        if entry:
            raise FormatError("a plain file holds one value and has no entries. Leave entry out, or name a format.")
    elif not entry:
        raise FormatError(f"format {format} needs entry, the {'variable' if format == 'env' else 'path of keys'}.")
    elif format == "env":
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", entry):
            raise FormatError(f"{entry!r} is not the name of an environment variable.")
    elif "" in split_entry(entry):
        raise FormatError(f"the entry {entry!r} has an empty key between its dots.")


def split_entry(entry: str) -> list[str]:
    """The keys of a path."""
    return [key.replace("\\.", ".") for key in re.split(r"(?<!\\)\.", entry)]


def _check(before: str, after: str, format: str, values: t.Mapping[str, str], tag: str | None) -> None:
    """That the document holds the values, and otherwise what it held."""
    try:
        kept = True
        if format == "env":
            left = [[pair for pair in _env_data(text) if pair[0] not in values] for text in (before, after)]
            kept = left[0] == left[1]
        elif format != "plain":
            expected = _json_data(before) if format == "json" else _yaml_data(before)
            for entry, value in values.items():
                if format == "json":
                    expected = _json_with(expected, split_entry(entry), value)
                else:
                    expected = _yaml_with(expected, split_entry(entry), (tag or _STR, value))
            kept = expected == (_json_data(after) if format == "json" else _yaml_data(after))
        if kept and all(read_entry(after, format, entry, tag) == value for entry, value in values.items()):
            return
    except FormatError:
        pass
    entries = ", ".join(values)
    what = {"plain": "the value", "env": f"the variable {entries}"}.get(format, f"the entry {entries}")
    advice = "Anchors, aliases or an unusual layout are in the way. Write it there by hand first, on a line of its own."
    raise FormatError(f"{what} can't be written without changing something else. {advice if format == 'yaml' else ''}")


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _not_a_mapping(path: t.Sequence[str], depth: int) -> FormatError:
    above = ".".join(path[:depth])
    return FormatError(
        f"the entry {'.'.join(path)} has no place, since {above or 'the document'} is not a mapping of keys."
    )


def _not_a_value(path: t.Sequence[str]) -> FormatError:
    return FormatError(f"the entry {'.'.join(path)} is a mapping or a list, where one value has to be.")


def _twice(path: t.Sequence[str], depth: int) -> FormatError:
    return FormatError(f"the key {'.'.join(path[: depth + 1])} is there more than once, so which one counts is open.")


# -- env -----------------------------------------------------------------------------------------------------------

# A quoted value may reach over several lines. After any value there may be a comment.
_ENV = re.compile(
    r"""^(?P<head>[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*?)"""
    r"""(?P<value>"(?:[^"\\]|\\.)*"|'[^']*'|[^\s][^\r\n]*?|)"""
    r"""(?=[ \t]*(?:[ \t]\#[^\r\n]*)?\r?$)""",
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)


def _env_data(text: str) -> list[tuple[str, str]]:
    return [(found.group("name"), _env_unquoted(found.group("value"))) for found in _ENV.finditer(text)]


def _env_unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == "'":
        return value[1:-1]
    if len(value) > 1 and value[0] == value[-1] == '"':
        return re.sub(r'\\(?:\r?\n|(["\\$`]))', lambda found: found.group(1) or "", value[1:-1])
    return value


def _env_quoted(value: str, like: str) -> str:
    """The value in the quotes of another one, or in those it needs."""
    quote = like[:1] if len(like) > 1 and like[0] == like[-1] else ""
    if quote != "'" and quote != '"' and re.fullmatch(r"[A-Za-z0-9_@%+=:,./-]*", value):
        return value
    if quote != '"' and "'" not in value:
        return f"'{value}'"
    return '"%s"' % re.sub(r'(["\\$`])', r"\\\1", value)


def _env_write(text: str, name: str, value: str) -> str:
    if re.search(r"[\r\n\0]", value):
        raise FormatError(f"the value of {name} has several lines, which an env file has no room for.")
    found = [match for match in _ENV.finditer(text) if match.group("name") == name]
    for match in reversed(found):  # all of them: readers differ in which one counts
        start, end = match.span("value")
        text = text[:start] + _env_quoted(value, match.group("value")) + text[end:]
    if found:
        return text
    newline = _newline(text)
    return f"{_ended(text, newline)}{name}={_env_quoted(value, '')}{newline}"


def _ended(text: str, newline: str) -> str:
    return text if not text or text.endswith("\n") else text + newline


# -- JSON ----------------------------------------------------------------------------------------------------------

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class _Member(t.NamedTuple):
    """Where a member of an object is in the text."""

    key: str
    start: int
    key_end: int
    value: int
    end: int


def _json_data(text: str) -> t.Any:
    try:
        # NaN would not be equal to itself.
        return json.loads(text, parse_constant=str) if text.strip() else {}
    except (ValueError, RecursionError) as exc:
        line = f" (line {exc.lineno})" if isinstance(exc, json.JSONDecodeError) else ""
        raise FormatError(f"it is not valid JSON{line}.") from None


def _json_read(text: str, path: list[str]) -> str | None:
    data = _json_data(text)
    for depth, key in enumerate(path):
        if data is None and depth:
            return None
        if not isinstance(data, dict):
            raise _not_a_mapping(path, depth)
        data = data.get(key)
    if isinstance(data, (dict, list)):
        raise _not_a_value(path)
    return data if data is None or isinstance(data, str) else json.dumps(data)


def _json_with(data: t.Any, path: list[str], value: str) -> t.Any:
    if not path:
        return value
    inner = data if isinstance(data, dict) else {}
    return {**inner, path[0]: _json_with(inner.get(path[0]), path[1:], value)}


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _json_members(text: str, at: int) -> tuple[list[_Member], int]:
    """The members of the object that begins there, and where its last brace is. The text is known to be JSON."""
    members = []
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, key_end = _DECODER.raw_decode(text, at)
        value = _skip(text, _skip(text, key_end) + 1)
        _data, end = _DECODER.raw_decode(text, value)
        members.append(_Member(key, at, key_end, value, end))
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at] == "," else at
    return members, at


def _json_write(text: str, path: list[str], value: str) -> str:
    if text.strip() in ("", "{}"):
        return json.dumps(_json_with({}, path, value), indent=2) + (
            text[len(text.rstrip()) :] if text.strip() else "\n"
        )
    _json_data(text)
    at = _skip(text, 0)
    _data, end = _DECODER.raw_decode(text, at)
    for depth, key in enumerate(path):
        if depth and text.startswith("null", at):
            # Nothing is there yet.
            return text[:at] + _json_text(text, path[depth:], value, _indent_at(text, at)) + text[end:]
        if text[at] != "{":
            raise _not_a_mapping(path, depth)
        members, close = _json_members(text, at)
        found = [member for member in members if member.key == key]
        if len(found) > 1:
            raise _twice(path, depth)
        if not found:
            return _json_insert(text, at, members, close, path[depth:], value)
        at, end = found[0].value, found[0].end
    if text[at] in "{[":
        raise _not_a_value(path)
    return text[:at] + json.dumps(value) + text[end:]


def _json_insert(text: str, at: int, members: list[_Member], close: int, path: list[str], value: str) -> str:
    if not members:
        return text[:at] + _json_text(text, path, value, _indent_at(text, at)) + text[close + 1 :]
    last = members[-1]
    # What is before and within the last member is how this object is laid out.
    lead = re.search(r"[ \t\r\n]*\Z", text[: last.start])
    space = lead.group(0) if lead else ""
    colon = text[last.key_end : last.value]
    member = json.dumps(path[0]) + colon + _json_text(text, path[1:], value, space.rpartition("\n")[2])
    if len(members) == 1 and "\n" not in space:
        space = " " if colon.endswith(" ") else ""
    return f"{text[: last.end]},{space}{member}{text[last.end :]}"


def _json_text(text: str, path: list[str], value: str, indent: str) -> str:
    """The value, within objects for the rest of its path, as text for a place that is indented like this."""
    if not path:
        return json.dumps(value)
    data = _json_with({}, path, value)
    if "\n" not in text.strip():
        return json.dumps(data)
    step = re.search(r"\{[ \t]*\r?\n([ \t]+)", text)
    unit = step.group(1) if step else "  "
    return json.dumps(data, indent=unit).replace("\n", _newline(text) + indent)


def _indent_at(text: str, at: int) -> str:
    """With what the line of this position begins."""
    line = text[text.rfind("\n", 0, at) + 1 :]
    return line[: len(line) - len(line.lstrip(" \t"))]


# -- YAML ----------------------------------------------------------------------------------------------------------

_STR = "tag:yaml.org,2002:str"
_NULL = "tag:yaml.org,2002:null"
_MERGE = "tag:yaml.org,2002:merge"
# Tags whose text is the value as people wrote it.
_TEXTS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "timestamp", "value")}


def _yaml() -> t.Any:
    try:
        import yaml
    except ImportError:
        raise FormatError("format yaml needs the Python library PyYAML on the host where the task runs.") from None
    return yaml


def _yaml_compose(text: str) -> t.Any:
    """The node of the only document; ``None`` where there is none. The C loader's marks differ, so it is not used."""
    yaml = _yaml()
    try:
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as exc:
        # The library's own words may quote the document.
        mark = getattr(exc, "problem_mark", None)
        raise FormatError(f"it is not valid YAML{f' (line {mark.line + 1})' if mark else ''}.") from None
    except RecursionError:
        raise FormatError("it is YAML that is nested too deep.") from None
    if len(documents) > 1:
        raise FormatError("it holds several YAML documents. Only a file with one can have entries.")
    return documents[0] if documents else None


def _is_mapping(node: t.Any) -> bool:
    return isinstance(node, _yaml().MappingNode)


def _is_null(node: t.Any) -> bool:
    return node is None or node.tag == _NULL


def _yaml_pair(node: t.Any, path: list[str], depth: int) -> tuple[t.Any, t.Any] | None:
    """The nodes of a key and its value within a mapping."""
    if not _is_mapping(node):
        raise _not_a_mapping(path, depth)
    scalars = [(key, value) for key, value in node.value if isinstance(key, _yaml().ScalarNode)]
    found = [(key, value) for key, value in scalars if key.value == path[depth]]
    if len(found) > 1:
        raise _twice(path, depth)
    if not found and any(key.tag == _MERGE for key, _value in scalars):
        raise FormatError(
            f"the key {'.'.join(path[: depth + 1])} is in a mapping that merges another one (<<). Write the key there "
            "by hand first."
        )
    return found[0] if found else None


def _yaml_find(node: t.Any, path: list[str]) -> t.Any:
    for depth in range(len(path)):
        if _is_null(node):
            return None
        pair = _yaml_pair(node, path, depth)
        node = pair[1] if pair else None
    return node


def _yaml_read(text: str, path: list[str], tag: str | None) -> str | None:
    node = _yaml_find(_yaml_compose(text), path)
    if _is_null(node):
        return None
    if not isinstance(node, _yaml().ScalarNode):
        raise _not_a_value(path)
    if node.tag not in _TEXTS and node.tag != tag:
        hint = " A store of type ansible_vault reads it." if node.tag == "!vault" else ""
        raise FormatError(f"the entry {'.'.join(path)} has the tag {node.tag} and is not a plain text.{hint}")
    return str(node.value)


def _yaml_data(text: str) -> t.Any:
    """What a document says, to compare: pairs of tag and text, lists, and dictionaries in ``_Mapping``."""
    return _yaml_plain(_yaml_compose(text), {})


class _Mapping(t.NamedTuple):
    tag: str
    pairs: list[tuple[t.Any, t.Any]]


def _yaml_plain(node: t.Any, known: dict[int, t.Any]) -> t.Any:
    if node is None:
        return (_NULL, "")
    if id(node) in known:
        if known[id(node)] is None:
            raise FormatError("it is YAML in which a part contains itself.")
        return known[id(node)]
    known[id(node)] = None
    found: t.Any
    if _is_mapping(node):
        found = _Mapping(node.tag, [(_yaml_plain(key, known), _yaml_plain(value, known)) for key, value in node.value])
    elif isinstance(node, _yaml().SequenceNode):
        found = (node.tag, [_yaml_plain(item, known) for item in node.value])
    else:
        found = (node.tag, node.value)
    known[id(node)] = found
    return found


def _yaml_with(data: t.Any, path: list[str], scalar: tuple[str, str]) -> t.Any:
    """A copy with this scalar. Parts that an alias shares stay as they are in the other place."""
    if not path:
        return scalar
    tag, pairs = data if isinstance(data, _Mapping) else ("tag:yaml.org,2002:map", [])
    changed = [
        (key, _yaml_with(value, path[1:], scalar) if isinstance(key[1], str) and key[1] == path[0] else value)
        for key, value in pairs
    ]
    if not any(isinstance(key[1], str) and key[1] == path[0] for key, _value in pairs):
        # A key of this text is always a string, or it is written in quotes.
        changed.append(((_STR, path[0]), _yaml_with(None, path[1:], scalar)))
    return _Mapping(tag, changed)


def _yaml_write(text: str, path: list[str], value: str, tag: str | None) -> str:
    node = _yaml_compose(text)
    flow, column, key = False, 0, None
    for depth in range(len(path)):
        if _is_blank(node, flow):
            return _yaml_fill(text, node, path[depth:], value, tag, flow, column)
        pair = _yaml_pair(node, path, depth)
        flow = flow or bool(node.flow_style)
        if pair is None:
            return _yaml_insert(text, node, path[depth:], value, tag, flow)
        column = pair[0].start_mark.column + 2
        key, node = pair
    if not isinstance(node, _yaml().ScalarNode):
        raise _not_a_value(path)
    start, end = node.start_mark.index, node.end_mark.index
    if key is None or start < key.end_mark.index:
        raise FormatError(f"the entry {'.'.join(path)} is an alias (*) of another value. Write a value there by hand.")
    old = text[start:end].rstrip()
    comment = ""
    if node.style in ("|", ">"):
        header = re.search(r"[ \t]+#[^\r\n]*", old.split("\n")[0])
        comment = header.group(0) if header else ""
    head, body = _yaml_scalar(value, tag, node.style, flow, column, _newline(text))
    space = "" if text[:start].endswith((" ", "\t", "\n")) else " "
    return _spliced(text, start, start + len(old), space + head + comment, body)


def _is_blank(node: t.Any, flow: bool) -> bool:
    """Nothing is there yet, or an empty ``{}`` where a block has room."""
    return _is_null(node) or (_is_mapping(node) and not node.value and not flow)


def _spliced(text: str, start: int, end: int, head: str, body: str) -> str:
    """The text with ``head`` in place of a part of it, and lines after the line where that ends: it may have a comment.

    :param body: Whole lines, or nothing.
    """
    before, after = text[:start] + head, text[end:]
    if not body:
        return before + after
    rest, newline, lines = after.partition("\n")
    return before + rest + (newline or _newline(text)) + body + lines


def _yaml_fill(text: str, node: t.Any, path: list[str], value: str, tag: str | None, flow: bool, column: int) -> str:
    """The value in the place of nothing, with the mappings that lead to it."""
    newline = _newline(text)
    if flow:
        start, end = node.start_mark.index, node.end_mark.index
        inline = _yaml_inline(path, value, tag, newline)
        space = "" if text[:start].endswith((" ", "\t")) else " "
        return f"{text[:start]}{space}{{{inline}}}{text[end:]}"
    body = _yaml_block(path, value, tag, column, newline)
    if node is None:
        return _ended(text, newline) + body
    start, end = node.start_mark.index, node.end_mark.index
    rest = text[end:]
    if not column and (not start or text[start - 1] == "\n"):
        # The document itself is empty: what stands for that goes, and lines of its own begin there.
        return text[:start] + body + (rest[len(newline) :] if start < end and rest.startswith(newline) else rest)
    # A word such as null goes, with the space before it where nothing follows.
    before = text[:start].rstrip(" \t") if start < end and re.match(r"\r?(?:\n|\Z)", rest) else text[:start]
    return _spliced(before + rest, len(before), len(before), "", body)


def _yaml_insert(text: str, node: t.Any, path: list[str], value: str, tag: str | None, flow: bool) -> str:
    """A new key at the end of a mapping that has some."""
    newline = _newline(text)
    if flow and not node.value:
        at = node.end_mark.index - 1
        return text[:at] + _yaml_inline(path, value, tag, newline) + text[at:]
    if flow:
        at = max(mark.end_mark.index for mark in node.value[-1])
        return f"{text[:at]}, {_yaml_inline(path, value, tag, newline)}{text[at:]}"
    at, column = _yaml_end(node), node.value[0][0].start_mark.column
    if not text[:at].endswith("\n"):
        line = text.find("\n", at) + 1
        text, at = (text, line) if line else (text + newline, len(text + newline))
    # Comments that are further in belong to what is above.
    inner = re.compile(r"(?:[ ]{%d,}#[^\n]*\n)*" % (column + 1)).match(text, at)
    at = inner.end() if inner else at
    return text[:at] + _yaml_block(path, value, tag, column, newline) + text[at:]


def _yaml_end(node: t.Any) -> int:
    """Where the last text of a node ends. A block's own mark is behind the comments that follow it."""
    if isinstance(node, _yaml().ScalarNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    if not _is_mapping(node):
        return _yaml_end(last)
    # An alias has the marks of its anchor, which is further up.
    return max(int(last[0].end_mark.index), _yaml_end(last[1]))


def _yaml_block(path: list[str], value: str, tag: str | None, column: int, newline: str) -> str:
    """Lines for a path of keys and its value."""
    lines = []
    for depth, key in enumerate(path):
        lines.append(" " * (column + 2 * depth) + _yaml_word(key) + ":")
    head, body = _yaml_scalar(value, tag, None, False, column + 2 * len(path), newline)
    return newline.join(lines) + f" {head}{newline}{body}"


def _yaml_inline(path: list[str], value: str, tag: str | None, newline: str) -> str:
    """The same within braces, which are there already."""
    head, _body = _yaml_scalar(value, tag, None, True, 0, newline)
    inner = "{".join(f"{_yaml_word(key)}: " for key in path)
    return inner + head + "}" * (len(path) - 1)


def _yaml_scalar(
    value: str, tag: str | None, style: str | None, flow: bool, column: int, newline: str
) -> tuple[str, str]:
    """The text of a value, and the lines below it.

    :param style: How the value was written that it replaces.
    """
    if not tag:
        return _yaml_word(value, style), ""
    if flow:
        return f"{tag} {_yaml_word(value, chr(34))}", ""
    lines = value.splitlines()
    return f"{tag} |" + ("" if value.endswith("\n") else "-"), "".join(f"{' ' * column}{li}{newline}" for li in lines)


def _yaml_word(value: str, style: str | None = None) -> str:
    """A text as a scalar that no reader takes for a number or anything else, in the quotes it had before."""
    yaml = _yaml()
    if style == "'" and re.fullmatch(r"[ -~]*", value):
        return "'%s'" % value.replace("'", "''")
    plain = style != '"' and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", value)
    if plain and yaml.compose(value, Loader=yaml.SafeLoader).tag == _STR:
        return value
    quoted: str = yaml.dump(value, Dumper=yaml.SafeDumper, default_style='"', width=float("inf"))
    return quoted.rstrip("\n")

# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What somebody else's words may tell: the messages of programs and servers, with no value in them. Pure."""

from __future__ import annotations

import base64
import re
import typing as t

_SHOWN = 800
# As many characters of a value give away nothing that helps.
_PIECE = 8
_LONG_WORD = re.compile(r"[A-Za-z0-9_+/=-]{20,}")


def tell(said: str, secrets: t.Iterable[str] = ()) -> str:
    """A message as a sentence for the user, in one line.

    :param said: What a program or a server said. Of a long text the end is told: the reason stands there.
    :param secrets: Values that must not be told, or texts with values in them. A message that holds a piece of one,
        plain or encoded, is not shown at all. Other words that look like values are masked: what a program read is not
        always known.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    if not line:
        return "It gave no message."
    if len(line) > _SHOWN:
        line = f"...{line[-_SHOWN:]}"
    if any(_share_a_piece(line, form) for secret in secrets if secret for form in forms(secret)):
        return "Its message is not shown, because a value may be in it."
    line = _LONG_WORD.sub(lambda match: "***" if _looks_random(match.group(0)) else match.group(0), line)
    return f"It said: {line}" if line.endswith((".", "!", "?")) else f"It said: {line}."


def _looks_random(word: str) -> bool:
    lower, upper = any(c.islower() for c in word), any(c.isupper() for c in word)
    return (lower and upper) or ((lower or upper) and any(c.isdigit() for c in word))


def _share_a_piece(line: str, form: str) -> bool:
    if len(form) <= _PIECE:
        return form in line
    return any(line[start : start + _PIECE] in form for start in range(len(line) - _PIECE + 1))


def forms(secret: str) -> t.Iterator[str]:
    """A value as it may turn up in a message: plain, in hexadecimal digits, and in base64 at its three alignments."""
    raw = secret.encode()
    yield secret
    yield raw.hex()
    for offset in range(3):
        # The characters at both ends depend on their neighbours too.
        encoded = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")[(0, 2, 3)[offset] : -1]
        if encoded:
            yield encoded
            yield encoded.replace("+", "-").replace("/", "_")

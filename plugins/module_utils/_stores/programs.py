# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Running programs that handle values: in by standard input, out by standard output, bounded in time and size."""

from __future__ import annotations

import contextlib
import io
import os
import selectors
import signal
import subprocess
import time
import typing as t
from dataclasses import dataclass, field

from .store import StoreError

# Bytes of standard output. Values are short, and documents with values in them not much longer.
MOST_OUTPUT = 1 << 20
# Bytes of the end of standard error
_MOST_ERRORS = 1 << 14


@dataclass(frozen=True)
class Ended:
    """A program that ran to its end.

    :param code: Its exit code; below 0 the signal that ended it.
    :param output: What it printed. It may be a secret, and ``errors`` may hold one: see :func:`.telling.tell`.
    """

    code: int
    output: bytes = field(repr=False)
    errors: str = field(repr=False)

    @property
    def how(self) -> str:
        """How it ended, as the end of a sentence."""
        return f"ended with exit code {self.code}" if self.code >= 0 else f"was ended by signal {-self.code}"


def run(
    place: str,
    arguments: t.Sequence[str],
    timeout: float,
    given: bytes = b"",
    *,
    environment: t.Mapping[str, str] | None = None,
    folder: str | None = None,
) -> Ended:
    """Run a program to its end, without a shell, and without a terminal on which it could ask for anything.

    :param place: What it reads or writes, for messages.
    :param timeout: Seconds. After them the program and its children are killed.
    :param given: Its standard input.
    :param environment: Variables that it gets besides those of this process.
    :param folder: Where it starts.
    :raises StoreError: It can't be run, takes too long, or prints too much.
    """
    with contextlib.ExitStack() as opened:
        reading, writing, rest = _filled_pipe(given)
        opened.callback(writing.close)
        with reading:
            process = _start(place, arguments, reading, environment, folder)
        for stream in _outputs(process):
            opened.enter_context(stream)
        try:
            return _exchange(process, writing, rest, timeout)
        except _GivenUp as exc:
            _kill(process)
            raise StoreError(
                f"{place}: the program {arguments[0]} {exc} and was killed.",
                advice="Run it by hand to see why. It must not wait for somebody to type something.",
            ) from None
        except BaseException:
            # Whatever ends this task must not leave a program behind that may hang.
            _kill(process)
            raise


class _GivenUp(Exception):
    """Why a program is not waited for any longer."""


def _filled_pipe(given: bytes) -> tuple[io.FileIO, io.FileIO, bytes]:
    """A pipe that holds the input before its reader exists: both ends, and what did not fit, mostly nothing.

    So a program never takes a part of a value for all of it, even if this process is killed right after the start.
    """
    ends = os.pipe()
    reading, writing = io.FileIO(ends[0], "r"), io.FileIO(ends[1], "w")
    os.set_blocking(writing.fileno(), False)
    return reading, writing, _fill(writing, given)


def _fill(writing: io.FileIO, rest: bytes) -> bytes:
    """Write what there is room for, and close the pipe when that was all. What is left is returned."""
    while rest:
        try:
            sent = writing.write(rest)
        except BrokenPipeError:  # it does not want to know more; its exit code tells whether that is well
            break
        if sent is None:
            return rest
        rest = rest[sent:]
    writing.close()
    return b""


def _start(
    place: str,
    arguments: t.Sequence[str],
    stdin: io.FileIO,
    environment: t.Mapping[str, str] | None,
    folder: str | None,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(arguments),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A group of its own, to be killed as a whole; and a session of its own, which has no terminal.
            start_new_session=True,
            env={**os.environ, **(environment or {})},
            cwd=folder,
        )
    except (OSError, ValueError) as exc:
        raise StoreError(
            f"{place}: the program {arguments[0]} can't be run: {getattr(exc, 'strerror', None) or exc}.",
            advice="Install it on the host of this task, or name it by its full path.",
        ) from None


def _outputs(process: subprocess.Popen[bytes]) -> tuple[t.IO[bytes], t.IO[bytes]]:
    """What the program writes. Both are pipes, since it was started that way."""
    return t.cast("t.IO[bytes]", process.stdout), t.cast("t.IO[bytes]", process.stderr)


def _exchange(process: subprocess.Popen[bytes], writing: io.FileIO, rest: bytes, timeout: float) -> Ended:
    stdout, stderr = _outputs(process)
    too_long = _GivenUp(f"did not end within {timeout:g} seconds")
    deadline = time.monotonic() + timeout
    output, errors = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ, output)
        selector.register(stderr, selectors.EVENT_READ, errors)
        if rest:
            selector.register(writing, selectors.EVENT_WRITE)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise too_long
            # What is open still when the program has ended belongs to something that it left running.
            ended = process.poll() is not None
            ready = selector.select(0 if ended else min(left, 0.05))
            if ended and not ready:
                break
            for key, _events in ready:
                if key.fileobj is writing:
                    rest = _fill(writing, rest)
                    if not rest:
                        selector.unregister(writing)
                else:
                    chunk = os.read(key.fd, 1 << 16)
                    key.data.extend(chunk)
                    if not chunk:
                        selector.unregister(key.fileobj)
            if len(output) > MOST_OUTPUT:
                raise _GivenUp(f"printed more than {MOST_OUTPUT} bytes")
            del errors[:-_MOST_ERRORS]
    try:
        code = process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise too_long from None
    return Ended(code, bytes(output), errors.decode(errors="replace"))


def _kill(process: subprocess.Popen[bytes]) -> None:
    # It may have ended by now, or belong to another user, as with sudo.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1)

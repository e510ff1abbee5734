# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What can go wrong, as typed exceptions. ``_module.py`` is the one place that turns them into a failed task.

Every message says what happened, on which object, and what to do next. None of them may hold a secret or a part of an
answer's body, except what the service says in its error fields.
"""

from __future__ import annotations

import typing as t


class HoneycombError(Exception):
    """Something the user has to know about.

    :param message: One or two sentences for the user; later ``cause``, for a message that has another advice.
    :param advice: What to do next, where the message does not say it. Both together are ``message``.
    :param created: Keys that exist because of this task: ``[{"name", "id", "key", "secret"}]``. They are handed back
        with the failure, since a secret is shown only once.
    """

    status: int | None = None
    code: str | None = None
    title: str | None = None
    detail: str | None = None
    pointer: str | None = None

    def __init__(self, message: str, *, advice: str = "", created: t.Sequence[dict[str, t.Any]] = ()) -> None:
        super().__init__(message)
        self.cause = message
        self.advice = advice
        self.message = f"{message} {advice}".rstrip()
        self.created = list(created)

    @classmethod
    def defect(cls, exc: Exception) -> HoneycombError:
        """For an exception that nobody expected. Its own words may hold anything, so they are not shown."""
        return cls(f"{type(exc).__name__}: this is a defect of the collection; please report it.")

    def __str__(self) -> str:
        return self.message

    def as_result(self) -> dict[str, t.Any]:
        """The structured ``error`` of a failed task."""
        return {
            "status": self.status,
            "code": self.code,
            "title": self.title,
            "detail": self.detail,
            "pointer": self.pointer,
        }


class InputError(HoneycombError):
    """What the user asked for can't be done; nothing was written."""


class WaitExceeded(HoneycombError):
    """Going on would mean waiting longer than ``max_wait`` allows."""


class ServiceUnreachable(HoneycombError):
    """A request was not carried out: there was no connection to carry it."""


class AnswerLost(HoneycombError):
    """A request was sent, but no usable answer came back. It may or may not have been carried out."""


class ApiError(HoneycombError):
    """The service answered with an error.

    :param status: HTTP status code.
    :param advice: See :class:`HoneycombError`.
    :param code: The service's own code, for example ``unauthenticated/invalid-key``.
    :param title: Its short text.
    :param detail: Its longer text.
    :param pointer: What the error is about: a JSON pointer, a parameter, a header or a field.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        advice: str = "",
        code: str | None = None,
        title: str | None = None,
        detail: str | None = None,
        pointer: str | None = None,
    ) -> None:
        super().__init__(message, advice=advice)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.pointer = pointer
        # Whether an earlier try of the same request, whose answer was lost, may have been carried out.
        self.repeated = False


class NotFound(ApiError):
    """404"""


class Unauthorized(ApiError):
    """401"""


class Forbidden(ApiError):
    """403"""


class Conflict(ApiError):
    """409"""

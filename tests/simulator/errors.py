# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers, and the shapes that the service reports errors in."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

JSONAPI = "application/vnd.api+json"
PROBLEM = "application/problem+json"
JSON = "application/json"
HTML = "text/html; charset=utf-8"

PROBLEM_TYPES = {
    400: "unparseable",
    401: "unauthorized",
    403: "forbidden",
    404: "not-found",
    409: "conflict",
    413: "payload-too-large",
    422: "validation-failed",
    429: "rate-limited",
}
CODES = {
    400: "invalid",
    401: "unauthenticated/invalid-key",
    403: "unauthorized/missing-scope",
    404: "not-found",
    409: "conflict",
    415: "unsupported-media-type",
    422: "validation-failed",
    429: "rate-limited/may-retry",
}


@dataclass
class Answer:
    """What goes back to the client; ``body`` is encoded already."""

    status: int
    body: bytes = b""
    content_type: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The request is not carried out; ``answer`` says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Invalid(Exception):
    """A value in a body is wrong; the operation decides which shape reports it.

    ``path`` holds the names that lead to it; ``code`` is invalid, missing, incorrect_type or already_exists.
    """

    def __init__(self, path: tuple[str, ...], code: str, description: str) -> None:
        super().__init__(description)
        self.path = path
        self.code = code
        self.description = description


def answer(status: int, body: object = None, content_type: str = JSON) -> Answer:
    """An answer with a JSON body, or without a body."""
    if body is None:
        return Answer(status)
    return Answer(status, json.dumps(body, separators=(",", ":")).encode(), content_type)


def jsonapi(status: int, title: str, detail: str | None = None, code: str | None = None, **source: str) -> Answer:
    """An error in the JSON:API shape; ``source`` is a pointer, a parameter or a header."""
    error: dict[str, Any] = {
        "id": secrets.token_hex(16),
        "status": str(status),
        "code": code or CODES.get(status, "internal"),
        "title": title,
    }
    if detail is not None:
        error["detail"] = detail
    if source:
        error["source"] = source
    return answer(status, {"errors": [error]}, JSONAPI)


def problem(
    status: int,
    title: str,
    detail: str | None = None,
    fields: list[dict[str, str]] | None = None,
    content_type: str = PROBLEM,
) -> Answer:
    """An error in the problem+json shape; ``fields`` become ``type_detail``."""
    kind = PROBLEM_TYPES.get(status, "internal")
    body: dict[str, Any] = {
        "status": status,
        "type": "https://api.honeycomb.io/problems/" + kind,
        "title": title,
        "error": detail or title,
    }
    if detail is not None:
        body["detail"] = detail
    if fields is not None:
        body["type_detail"] = fields
    return answer(status, body, content_type)


def legacy(status: int, text: str) -> Answer:
    """An error in the oldest shape, a single text."""
    return answer(status, {"error": text})


def html(status: int, text: str) -> Answer:
    """A web page, such as a proxy on the way answers with."""
    page = f"<!DOCTYPE html><html><head><title>{text}</title></head><body><h1>{text}</h1></body></html>"
    return Answer(status, page.encode(), HTML)


def in_shape(shape: str, status: int, text: str) -> Answer:
    """An error in the given shape: jsonapi, problem, legacy, html or empty."""
    makers: dict[str, Callable[[int, str], Answer]] = {
        "jsonapi": jsonapi,
        "problem": problem,
        "legacy": legacy,
        "html": html,
        "empty": lambda code, _text: Answer(code),
    }
    return makers[shape](status, text)

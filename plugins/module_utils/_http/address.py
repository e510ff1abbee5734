# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Where credentials may be sent, and whose certificates count there."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from urllib.parse import quote, urlsplit

from .._errors import InputError

US_SERVICE = "https://api.honeycomb.io"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_api_url(url: str) -> str:
    """Return the address without a trailing slash.

    :raises InputError: where credentials should not be sent, or where the API's own paths would not be found.
    """
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname
        parts.port  # noqa: B018  pylint: disable=pointless-statement
    except ValueError:
        parts, host = urlsplit(""), None
    # Nothing that two readers of an address could understand in two ways.
    plain = re.fullmatch(r"[^\s\\\x00-\x20\x7f]+", url.strip()) and not re.search("[\ud800-\udfff]", url)
    if not plain or parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise InputError(f"api_url: {_without_user(url)!r} is not an address. Write it like {US_SERVICE}.")
    if parts.username is not None or parts.password is not None:
        raise InputError(
            "api_url: it must not contain a user or a password; use management_key_id and management_key_secret."
        )
    if parts.scheme == "http" and not _is_loopback(host):
        raise InputError(
            f"api_url: {url} would send the management key in clear text. Use https; plain http is only for loopback "
            "addresses."
        )
    address = url.strip().rstrip("/")
    own_path = re.search(r"/+[12](/+(auth|teams)(/.*)?)?$", address)
    if own_path:
        raise InputError(
            f"api_url: {address!r} includes a path of the API, which each request adds itself. Leave it off: "
            f"{address[: own_path.start()]}."
        )
    return address


def _without_user(url: str) -> str:
    """The address as it may be shown."""
    return url.rsplit("@", 1)[-1]


def check_ca_path(path: str) -> None:
    """Fail early: what can't be read would look like a broken connection later.

    :raises InputError: It can't be read.
    """
    try:
        if os.path.isdir(path):
            ssl.create_default_context(capath=path)
        else:
            ssl.create_default_context(cafile=path)
    except OSError as exc:
        raise InputError(
            f"ca_path: {path!r} can't be used ({exc.strerror or type(exc).__name__}). Give a file with certificates in "
            "PEM format, or a directory prepared with 'openssl rehash'."
        ) from None


def path_segment(text: str) -> str:
    """One segment of a path, whatever the user wrote."""
    return quote(text, safe="", errors="replace")

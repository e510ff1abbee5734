# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Text files that hold secrets: read, and replaced as a whole, so that a reader never sees half of one.

A file's mode and owner are right before its content is there, and what was written is on the disk before anybody can
see it. The folder is locked meanwhile, which leaves no lock file behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import time
import typing as t
from dataclasses import dataclass

from .store import StoreError

# What a killed process may leave behind: never a readable secret, and gone with the next write into the folder.
_TEMPORARY = (".honeycomb-", ".tmp")
# Attributes beside mode and owner by which others may read a file: SELinux, access lists, a user's own.
_KEPT_XATTRS = ("security.selinux", "system.posix_acl_access", "user.")

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.ENOTDIR: "a part of the path is not a folder",
    errno.ELOOP: "its symbolic links lead nowhere",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EBUSY: "it is in use as a mount point",
    errno.ENXIO: "it is not a regular file",
}


@dataclass(frozen=True)
class Attributes:
    """Who may read a file. What is ``None`` stays as it is; new files get the mode 0600 and belong to this process.

    :param owner: A user's name or number.
    :param group: A group's name or number.
    :param fresh: Nothing is taken over from a file that is there already.
    """

    owner: str | None = None
    group: str | None = None
    mode: int | None = None
    fresh: bool = False


@dataclass(frozen=True)
class _Wanted:
    """Attributes as numbers, for one file."""

    uid: int | None
    gid: int | None
    mode: int


def read(path: str) -> str | None:
    """The text of a file; ``None`` where there is none.

    :param path: A path without symbolic links at its end.
    """
    found = _stat(path)
    if found is None:
        return None
    _check_regular(path, found)
    with _explained(path, "read"):
        try:
            # Should it have become a pipe or a link since, it is neither waited for nor followed.
            file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        with os.fdopen(file, "rb") as stream:
            content = stream.read()
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise StoreError(f"{path} can't be read: it is not UTF-8 text.") from None


def replace(path: str, text: str, attributes: Attributes) -> None:
    """Put a file in place, in one step. Whatever goes wrong, the file is as it was."""
    folder = os.path.dirname(path)
    old = None if attributes.fresh else _stat(path)
    wanted = _wanted(path, attributes, old)
    temporary = _temporary(folder)
    with _explained(path, "written"):
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(file, "wb") as stream:
                _dress(file, wanted, path if old else None)
                stream.write(text.encode())
                stream.flush()
                os.fsync(file)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        _sync(folder)


def remove(path: str) -> None:
    """Take a file away, if there is one."""
    with _explained(path, "removed"):
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        _sync(os.path.dirname(path))


def make_folders(folder: str, attributes: Attributes, timeout: float) -> None:
    """Create what is missing of a folder, for nobody but the owner, and for the group where it may read the file.

    Only one process at a time does it: a folder would also replace another one that is still empty.

    :param timeout: Seconds to wait for others.
    """
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for path in reversed(missing):
        above = os.path.dirname(path)
        with locked(above, timeout):
            if not os.path.lexists(path):
                _make_folder(path, above, _wanted(path, attributes, None))


def _make_folder(path: str, above: str, wanted: _Wanted) -> None:
    mode = 0o700 | (0o010 if wanted.mode & 0o040 else 0) | (0o001 if wanted.mode & 0o004 else 0)
    temporary = _temporary(above)
    with _explained(path, "created"):
        # Under another name until it is complete: the next run would take it for a folder of the user's.
        os.mkdir(temporary, 0o700)
        try:
            if wanted.uid is not None or wanted.gid is not None:
                os.chown(temporary, _or_same(wanted.uid), _or_same(wanted.gid))
            os.chmod(temporary, mode)
            os.rename(temporary, path)
        except BaseException as exc:
            with contextlib.suppress(OSError):
                os.rmdir(temporary)
            if not (isinstance(exc, OSError) and os.path.isdir(path)):
                raise  # and otherwise another program was quicker


@contextlib.contextmanager
def locked(folder: str, timeout: float) -> t.Iterator[None]:
    """Keep other processes of this collection from changing files in a folder.

    Where the file system knows no locks it goes on without one.

    :param timeout: Seconds to wait for others.
    """
    with contextlib.ExitStack() as stack:
        while True:
            with _explained(folder, "opened"):
                file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                stack.callback(os.close, file)
            held = _lock(file, folder, timeout)
            found = _stat(folder)
            # Another process that created the folder, too, may have put its own in place of an empty one.
            if not held or (found and os.path.samestat(found, os.fstat(file))) or os.path.islink(folder):
                break
        if held:
            _sweep(folder)
        yield


def check(path: str, attributes: Attributes) -> None:
    """Find out whether :func:`replace` can work, without writing.

    :raises StoreError: It can't, as far as can be told.
    """
    old = _stat(path)
    if old:
        _check_regular(path, old)
    _wanted(path, attributes, None if attributes.fresh else old)
    folder = os.path.dirname(path)
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    with _explained(folder, "opened"):
        above = os.stat(folder)
        room = os.statvfs(folder)
    if not stat.S_ISDIR(above.st_mode):
        raise StoreError(f"{path} can't be written: {folder} is not a folder.")
    if room.f_flag & os.ST_RDONLY:
        raise StoreError(f"{path} can't be written: {_REASONS[errno.EROFS]}.")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise StoreError(f"{path} can't be written: {_no_permission(f'files in {folder}')}.")
    me = os.geteuid()
    if old and me and above.st_mode & stat.S_ISVTX and me not in (old.st_uid, above.st_uid):
        raise StoreError(f"{path} can't be replaced: {folder} is sticky, and the file belongs to somebody else.")
    if room.f_blocks and not (room.f_bavail if me else room.f_bfree):
        raise StoreError(f"{path} can't be written: {_REASONS[errno.ENOSPC]}.")


def _temporary(folder: str) -> str:
    return os.path.join(folder, secrets.token_hex(8).join(_TEMPORARY))


def _stat(path: str) -> os.stat_result | None:
    with _explained(path, "read"):
        try:
            return os.lstat(path)
        except FileNotFoundError:
            return None


def _check_regular(path: str, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise StoreError(f"{path} is a folder. Name a file in it.")
    if stat.S_ISLNK(found.st_mode):
        raise StoreError(f"{path} is a symbolic link where there should be none. Remove it, or name what it leads to.")
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"{path} is not a regular file. Name one.")


def _wanted(path: str, attributes: Attributes, old: os.stat_result | None) -> _Wanted:
    """What a file has to be, where this process can make it so."""
    uid = _number("user", path, attributes.owner) if attributes.owner else (old.st_uid if old else None)
    gid = _number("group", path, attributes.group) if attributes.group else (old.st_gid if old else None)
    me = os.geteuid()
    if me and uid not in (None, me):
        raise StoreError(
            f"{path} has to belong to user {attributes.owner or uid}, and only root can give files to others. Run the "
            f"task as root (become: true) or as that user. Nothing was written."
        )
    if me and gid is not None and gid not in (os.getegid(), *os.getgroups()) and gid != _inherited(path):
        raise StoreError(
            f"{path} has to belong to group {attributes.group or gid}, and the user of this task is not in it. Run the "
            f"task as root (become: true) or as a member of that group. Nothing was written."
        )
    mode = attributes.mode
    if mode is None:
        mode = stat.S_IMODE(old.st_mode) & 0o777 if old else 0o600
    return _Wanted(uid, gid, mode)


def _inherited(path: str) -> int | None:
    """The group that a folder gives to its files."""
    folder = _stat(os.path.dirname(path))
    return folder.st_gid if folder and folder.st_mode & stat.S_ISGID else None


def _number(kind: str, path: str, name: str) -> int:
    import grp
    import pwd

    try:
        return pwd.getpwnam(name).pw_uid if kind == "user" else grp.getgrnam(name).gr_gid
    except KeyError:
        if name.isdigit():
            return int(name)
    raise StoreError(f"{path} can't be given to the {kind} {name}: there is no such {kind} on this host.")


def _or_same(number: int | None) -> int:
    return -1 if number is None else number


def _dress(file: int, wanted: _Wanted, old: str | None) -> None:
    """Give an empty file its owner, its access list and its mode, in this order: each can change the next."""
    found = os.fstat(file)
    uid = _or_same(None if wanted.uid == found.st_uid else wanted.uid)
    gid = _or_same(None if wanted.gid == found.st_gid else wanted.gid)
    if (uid, gid) != (-1, -1):
        os.fchown(file, uid, gid)
    if old and hasattr(os, "listxattr"):
        with contextlib.suppress(OSError):
            for name in os.listxattr(old, follow_symlinks=False):
                if name.startswith(_KEPT_XATTRS):
                    os.setxattr(file, name, os.getxattr(old, name, follow_symlinks=False))
    os.fchmod(file, wanted.mode)


def _lock(file: int, folder: str, timeout: float) -> bool:
    """Whether the folder is locked now. It is not where the file system can't do that."""
    import fcntl

    end = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise StoreError(
                    f"{folder} is locked by another process, for more than {timeout:g} s by now. Nothing was written. "
                    "Run the task again when the other one has ended."
                ) from None
            time.sleep(0.01)
        except OSError:
            return False
        else:
            return True


def _sweep(folder: str) -> None:
    """Remove what killed processes left behind. Under the lock nobody else is writing."""
    begin, end = _TEMPORARY
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(begin) and entry.name.endswith(end):
                with contextlib.suppress(OSError):
                    (os.rmdir if entry.is_dir(follow_symlinks=False) else os.unlink)(entry.path)


def _sync(folder: str) -> None:
    """Have the names in a folder on the disk. Not every file system can do that."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    except OSError as exc:
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(file)


def _no_permission(what: str) -> str:
    return f"the user of this task (uid {os.geteuid()}) has no permission for {what}"


@contextlib.contextmanager
def _explained(path: str, action: str) -> t.Iterator[None]:
    """Turn what the system says into a message for people."""
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.EACCES, errno.EPERM):
            reason = _no_permission("it")
        else:
            reason = _REASONS.get(exc.errno or 0, os.strerror(exc.errno or 0))
        state = "" if action in ("read", "opened") else " Nothing was changed."
        raise StoreError(f"{path} can't be {action}: {reason}.{state}") from None

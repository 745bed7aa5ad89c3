"""The files of a list: written whole or not at all (`tutela.durable`), read within limits, every failure told."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from tutela import durable
from tutela.durable import part_of, sync_folder, write_synced
from tutela.lists.errors import AlreadyThere, BadKeyFile, StorageFailed, WorkspaceDamaged
from tutela.wire import document

PUBLIC: Final = durable.PUBLIC
SECRET: Final = durable.SECRET


def write(path: Path, data: bytes, *, mode: int = PUBLIC) -> None:
    """Replace the file at `path` by `data`, durably, at one moment.

    Raises:
        StorageFailed: it could not be written; what was there stays.
    """
    try:
        durable.replace(path, data, mode=mode)
    except OSError as error:
        raise failed(path, error) from error


def create(path: Path, data: bytes, *, mode: int = PUBLIC) -> None:
    """Write a file that must not be there yet.

    Raises:
        AlreadyThere: something is there.
        StorageFailed: it could not be written; nothing is left of it.
    """
    part = part_of(path)
    try:
        try:
            write_synced(part, data, mode)
            _move_to_free_name(part, path)
            sync_folder(path.parent)
        finally:
            part.unlink(missing_ok=True)
    except FileExistsError as error:
        raise AlreadyThere(f"{path} is there already", hint="choose another name") from error
    except OSError as error:
        raise failed(path, error) from error


def pretty(value: document.Document) -> bytes:
    """Return a document as people like to read it in git; what is signed is never in this form."""
    return msgspec.json.format(document.encode(value), indent=2) + b"\n"


def read(path: Path, *, limit: int) -> bytes:
    """Return a file's bytes.

    Raises:
        StorageFailed: it is not there, cannot be read, is a pipe or a device, or has more than `limit` bytes.
    """
    try:
        with _opened(path) as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise failed(path, error) from error
    if len(data) > limit:
        raise StorageFailed(f"{path} has more than {limit} bytes")
    return data


def read_secret(path: Path) -> bytes:
    """Return the bytes of a key file.

    Raises:
        BadKeyFile: it is not there, is a pipe or a device, or other users can read it.
    """
    try:
        with _opened(path) as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(1 << 16)
    except OSError as error:
        raise BadKeyFile(f"cannot read the key file {path}: {error.strerror}") from error
    if mode & 0o077:
        raise BadKeyFile(f"other users can read the key file {path}", hint=f"run: chmod 600 {path}")
    return data


def check_not_linked(path: Path) -> None:
    """Check that a folder is not elsewhere: what is written, swept or kept secret there would be in another's.

    Raises:
        WorkspaceDamaged: it is a link.
    """
    if path.is_symlink():
        raise WorkspaceDamaged(
            f"{path} is a link to somewhere else", hint="a list's folders are its own: remove the link"
        )


def make_folder(path: Path, *, mode: int = 0o755) -> None:
    """Make a folder and those above it, unless it is there.

    Raises:
        StorageFailed: it could not be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=mode)
    except OSError as error:
        raise failed(path, error) from error


def create_folder(path: Path, contents: Mapping[str, bytes | Path]) -> None:
    """Make a folder with files by relative name; it appears whole or not at all.

    A `Path` among the contents is a file that did not change: it is linked, or copied where links are not possible.

    Raises:
        AlreadyThere: the folder is there.
        StorageFailed: it could not be written; nothing is left of it.
    """
    part = part_of(path)
    try:
        try:
            part.mkdir(parents=True)
            for name, content in contents.items():
                target = part / name
                target.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(content, bytes):
                    write_synced(target, content, PUBLIC)
                else:
                    _link_or_copy(content, target)
            for folder in [part, *(one for one in part.rglob("*") if one.is_dir())]:
                sync_folder(folder)
            if path.exists():
                raise AlreadyThere(f"{path} is there already")
            part.rename(path)
            sync_folder(path.parent)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise failed(path, error) from error


def remove_folder(path: Path) -> None:
    """Make a folder disappear at one moment, then delete what was in it.

    Raises:
        StorageFailed: it could not be moved away.
    """
    part = part_of(path)
    try:
        path.rename(part)
        sync_folder(path.parent)
    except OSError as error:
        raise failed(path, error) from error
    shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def exclusively(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: one writer at a time; a killed one lets go of it.

    Raises:
        StorageFailed: another process holds it.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    with _locked(folder / ".lock", flags, f"another process is writing to {folder}"):
        yield


@contextlib.contextmanager
def holding(path: Path) -> Iterator[None]:
    """Hold the lock of a file that is there, without writing to it; raises as `exclusively`."""
    with _locked(path, os.O_RDONLY, f"another process is using {path}"):
        yield


def failed(path: Path, error: OSError) -> StorageFailed:
    """Return what to say about a file that could not be written or read."""
    hint = {
        errno.ENOSPC: "the disk is full: make room, then run the same command again",
        errno.EDQUOT: "your quota is used up: make room, then run the same command again",
        errno.EACCES: "check who may read and write there",
        errno.EPERM: "check who may read and write there",
        errno.EROFS: "the disk is mounted read-only: choose another place, or mount it for writing",
        errno.EINVAL: "name an ordinary file; what comes through a pipe must be saved as one first",
        errno.ENOENT: "check the path; a folder that a file goes into must be there already",
        errno.ENOTDIR: "check the path: a part of it is a file, not a folder",
        errno.EISDIR: "this is a folder; name a file",
    }.get(error.errno or 0)
    return StorageFailed(f"{path}: {error.strerror or error}", hint=hint)


def _opened(path: Path) -> BinaryIO:
    """Open an ordinary file. A pipe would be waited for without end, where a folder comes from somebody else."""

    def now(name: str, flags: int) -> int:
        # Where there is no such flag (Windows), no path names a pipe that waits either.
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    file = open(path, "rb", opener=now)  # noqa: SIM115 (the caller closes it)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file")
    return file


@contextlib.contextmanager
def _locked(path: Path, flags: int, otherwise: str) -> Iterator[None]:
    try:
        descriptor = os.open(path, flags, PUBLIC)
    except OSError as error:
        raise failed(path, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageFailed(otherwise, hint="wait for it to end, then try again") from error
        yield
    finally:
        os.close(descriptor)


def _move_to_free_name(part: Path, path: Path) -> None:
    # A link fails where a rename would replace; some file systems have no links.
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        part.replace(path)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        with _opened(source) as file:
            write_synced(target, file.read(), PUBLIC)

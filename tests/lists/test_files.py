"""Writing files: whole or not at all, whatever fails and whenever the process is killed."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tutela import durable
from tutela.lists import files
from tutela.lists.errors import AlreadyThere, BadKeyFile, StorageFailed


class Faults:
    """Makes the nth call to the operating system fail."""

    CALLS = ("fsync", "link", "open")

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
        self.left = -1
        self.code = code
        for name in self.CALLS:
            monkeypatch.setattr(files.os, name, self._failing(getattr(os, name)))
        for name in ("replace", "rename", "mkdir"):
            monkeypatch.setattr(Path, name, self._failing(getattr(Path, name)))

    def _failing(self, real: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                raise OSError(self.code, os.strerror(self.code))
            return real(*args, **options)

        return call


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    return Faults(monkeypatch, errno.ENOSPC)


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def every_fault(faults: Faults, action: Any) -> Iterator[bool]:
    """Run `action` with its first call failing, then its second …, until nothing fails; yield whether it failed."""
    for place in range(1, 60):
        faults.left = place
        try:
            action()
        except StorageFailed:
            faults.left = -1
            yield True
        else:
            fell = faults.left <= 0
            faults.left = -1
            yield fell
            if not fell:
                return
    raise AssertionError("it never stopped calling")


def test_a_replaced_file_is_the_old_one_or_the_new_one(tmp_path: Path, faults: Faults) -> None:
    path = tmp_path / "file"
    tries = 0
    path.write_bytes(b"old")
    for _ in every_fault(faults, lambda: files.write(path, b"new")):
        tries += 1
        assert path.read_bytes() in (b"old", b"new")
        assert names(tmp_path) == {"file"}, "nothing is left lying about"
        kept = path.read_bytes()
        path.write_bytes(b"old")
    assert tries > 3
    assert kept == b"new"


def test_a_new_file_is_there_wholly_or_not_at_all(tmp_path: Path, faults: Faults) -> None:
    path = tmp_path / "file"
    for failed in every_fault(faults, lambda: files.create(path, b"new")):
        assert names(tmp_path) <= {"file"}
        if path.exists():
            assert path.read_bytes() == b"new"
            path.unlink()
        else:
            assert failed


def test_a_folder_is_there_wholly_or_not_at_all(tmp_path: Path, faults: Faults) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(b"kept")
    target = tmp_path / "epochs" / "1"
    contents: dict[str, bytes | Path] = {"manifest": b"1", "layers/a": b"2", "layers/b": kept}
    whole = {"manifest", "layers", "layers/a", "layers/b"}
    for failed in every_fault(faults, lambda: files.create_folder(target, contents)):
        assert target.exists() or failed
        if target.exists():
            assert names(target) == whole
            assert (target / "layers/b").read_bytes() == b"kept"
            files.remove_folder(target)
        assert names(tmp_path) <= {"kept", "epochs"}


@pytest.mark.parametrize(
    ("code", "hint"),
    [(errno.ENOSPC, "disk is full"), (errno.EDQUOT, "quota"), (errno.EACCES, "who may"), (errno.EROFS, "read-only")],
)
def test_what_failed_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, hint: str
) -> None:
    faults = Faults(monkeypatch, code)
    faults.left = 1
    with pytest.raises(StorageFailed, match=os.strerror(code)) as caught:
        files.write(tmp_path / "file", b"data")
    assert hint in (caught.value.hint or "")


def test_nothing_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(AlreadyThere):
        files.create(path, b"new")
    with pytest.raises(AlreadyThere):
        files.create_folder(tmp_path, {})
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"file"}


def test_a_disk_without_links_works_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(files.os, "link", no_links)
    path = tmp_path / "file"
    files.create(path, b"data")
    with pytest.raises(AlreadyThere):
        files.create(path, b"other")
    files.create_folder(tmp_path / "folder", {"copy": path})
    assert (tmp_path / "folder/copy").read_bytes() == path.read_bytes() == b"data"


def test_a_secret_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    before = os.umask(0)
    try:
        files.create(path, b"secret", mode=files.SECRET)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert files.read_secret(path) == b"secret"
    path.chmod(0o640)
    with pytest.raises(BadKeyFile, match="other users") as caught:
        files.read_secret(path)
    assert caught.value.hint == f"run: chmod 600 {path}"
    with pytest.raises(BadKeyFile, match="cannot read"):
        files.read_secret(tmp_path / "none")


def test_what_cannot_be_made_moved_or_locked_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for action in (
        lambda: files.make_folder(tmp_path / "file" / "folder"),
        lambda: files.remove_folder(tmp_path / "none"),
        lambda: files.exclusively(tmp_path / "none").__enter__(),
    ):
        with pytest.raises(StorageFailed):
            action()


def test_reading_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert files.read(path, limit=5) == b"12345"
    with pytest.raises(StorageFailed, match="more than 4"):
        files.read(path, limit=4)
    with pytest.raises(StorageFailed):
        files.read(tmp_path / "none", limit=4)


def test_one_process_writes_at_a_time(tmp_path: Path) -> None:
    with (
        files.exclusively(tmp_path),
        pytest.raises(StorageFailed, match="another process"),
        files.exclusively(tmp_path),
    ):
        pass
    with files.exclusively(tmp_path):
        pass


def test_a_killed_process_leaves_no_lock_and_nothing_that_sweeping_does_not_remove(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from tutela.lists import files
        folder = Path(sys.argv[1])
        real, calls = os.fsync, int(sys.argv[2])
        def fsync(descriptor):
            global calls
            calls -= 1
            if calls == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            real(descriptor)
        files.os.fsync = fsync
        with files.exclusively(folder):
            files.create_folder(folder / "1", {"manifest": b"1", "layers/a": b"2"})
        """
    )
    for calls in (1, 2, 4, 5):
        root = tmp_path / str(calls)
        root.mkdir()
        ended = subprocess.run([sys.executable, "-c", program, root, str(calls)], check=False)
        assert ended.returncode == -9
        with files.exclusively(root):
            durable.sweep(root)
        if (root / "1").exists():
            assert names(root / "1") == {"manifest", "layers", "layers/a"}
        assert names(root) - {f"1/{name}" for name in ("manifest", "layers", "layers/a")} <= {".lock", "1"}


@pytest.mark.parametrize("device", [False, True], ids=["pipe", "device"])
def test_what_is_no_ordinary_file_is_not_waited_for(tmp_path: Path, device: bool) -> None:
    path = tmp_path / "1.json"
    if device:
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(path, 0o600)
    with pytest.raises(StorageFailed, match="a pipe or a device") as refused:
        files.read(path, limit=10)
    assert refused.value.hint is not None
    with pytest.raises(BadKeyFile, match="a pipe or a device"):
        files.read_secret(path)


def test_a_link_as_lock_makes_no_file_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / ".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageFailed, match=r"\.lock"), files.exclusively(tmp_path / "list"):
        pass
    assert not (tmp_path / "elsewhere").exists()

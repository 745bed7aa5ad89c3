from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tutela.device.errors import DamagedProfile, DeviceError, ProfileInUse, WrongProfileKey
from tutela.device.profile import Profile

KEY = bytes(range(32))


@given(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,100}", fullmatch=True), st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
def test_what_is_written_is_read(tmp_path: Path, name: str, data: bytes):
    with Profile(tmp_path / "p", KEY) as profile:
        profile.write(name, data)
        assert profile.read(name) == data


def test_records_survive_and_can_be_forgotten(tmp_path: Path):
    with Profile(tmp_path, KEY) as profile:
        assert profile.read("epoch") is None
        profile.write("epoch", b"one")
        profile.write("epoch", b"two")
    with Profile(tmp_path, KEY) as profile:
        assert profile.read("epoch") == b"two"
        profile.delete("epoch")
        assert profile.read("epoch") is None


def test_records_are_found_by_how_they_begin(tmp_path: Path):
    with Profile(tmp_path, KEY) as profile:
        for name in ("one", "one-b", "one-a", "two"):
            profile.write(name, b"")
        assert profile.names("one") == ["one", "one-a", "one-b"]
        assert profile.names("three") == []


def test_nothing_is_readable_at_rest(tmp_path: Path):
    with Profile(tmp_path, KEY) as profile:
        profile.write("epoch", b"a secret that must not be found")
    stored = b"".join(f.read_bytes() for f in tmp_path.rglob("*") if f.is_file())
    assert b"a secret that must not be found" not in stored
    assert KEY not in stored


def test_another_key_is_refused(tmp_path: Path):
    Profile(tmp_path, KEY).close()
    with pytest.raises(WrongProfileKey):
        Profile(tmp_path, bytes(32))
    Profile(tmp_path, KEY).close()


def test_a_record_that_is_a_folder_is_no_wrong_key(tmp_path: Path):
    Profile(tmp_path, KEY).close()
    (tmp_path / "profile.sealed").unlink()
    (tmp_path / "profile.sealed").mkdir()
    with pytest.raises(DeviceError, match="cannot be read") as told:
        Profile(tmp_path, KEY)
    assert told.value.code == "device"
    (tmp_path / "profile.sealed").rmdir()
    Profile(tmp_path, KEY).close()


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_has_32_bytes(tmp_path: Path, length: int):
    with pytest.raises(DeviceError, match="32 bytes"):
        Profile(tmp_path, bytes(length))


def test_a_changed_record_is_noticed(tmp_path: Path):
    with Profile(tmp_path, KEY) as profile:
        profile.write("epoch", b"one")
        path = tmp_path / "epoch.sealed"
        good = path.read_bytes()
        for bad in (good[:-1], good[:-1] + bytes([good[-1] ^ 1]), good[:5], b"", good + b"\0"):
            path.write_bytes(bad)
            with pytest.raises(DamagedProfile):
                profile.read("epoch")


def test_records_cannot_be_exchanged(tmp_path: Path):
    with Profile(tmp_path, KEY) as profile:
        profile.write("one", b"1")
        profile.write("two", b"2")
        (tmp_path / "one.sealed").replace(tmp_path / "two.sealed")
        with pytest.raises(DamagedProfile):
            profile.read("two")


def test_only_one_at_a_time(tmp_path: Path):
    with Profile(tmp_path, KEY), pytest.raises(ProfileInUse):
        Profile(tmp_path, KEY)
    Profile(tmp_path, KEY).close()


def test_a_killed_process_leaves_the_profile_usable(tmp_path: Path):
    program = (
        f"import os; from pathlib import Path; from tutela.device.profile import Profile\n"
        f"p = Profile(Path({str(tmp_path)!r}), bytes(range(32))); p.write('epoch', b'kept'); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    with Profile(tmp_path, KEY) as profile:
        assert profile.read("epoch") == b"kept"


@pytest.mark.parametrize("name", ["", "../escape", "a/b", "A", ".hidden", "x" * 200, "new\n"])
def test_names_that_could_leave_the_folder_are_refused(tmp_path: Path, name: str):
    with Profile(tmp_path, KEY) as profile, pytest.raises(DeviceError):
        profile.write(name, b"")


def test_a_folder_that_cannot_be_used(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DeviceError):
        Profile(tmp_path / "file" / "below", KEY)


def test_keys_for_different_purposes_differ(tmp_path: Path):
    with Profile(tmp_path, KEY) as profile:
        assert len({profile.derive(p) for p in ("records", "nio", "other")} | {KEY}) == 4


def test_a_full_disk_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with Profile(tmp_path, KEY) as profile:
        profile.write("epoch", b"old")
        before = {file.name for file in tmp_path.iterdir()}
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            profile.write("epoch", b"new")
        assert profile.read("epoch") == b"old"
        assert {file.name for file in tmp_path.iterdir()} == before


def test_what_a_killed_writer_left_is_swept(tmp_path: Path):
    Profile(tmp_path, KEY).close()
    (tmp_path / ".epoch.sealed.0123abcd.part").write_bytes(b"half")
    with Profile(tmp_path, KEY):
        assert not list(tmp_path.glob(".*"))

"""Publishing: what devices would refuse is refused, and whatever fails, nothing half is ever visible."""

from __future__ import annotations

import contextlib
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.epochs import MadeEpoch, make_keys
from harness.provider import TestClock, hold, make_settings, small_epoch
from tutela.errors import TutelaError
from tutela.lists import keyfile
from tutela.lists.errors import (
    BrokenHistory,
    Equivocation,
    ForgedManifest,
    OtherProvider,
    Rollback,
    TooFewSignatures,
)
from tutela.matching import voprf
from tutela.provider.errors import (
    KeyNotHeld,
    NothingPublished,
    SegmentMissing,
    SettingsError,
    StorageUnavailable,
    UnknownEpoch,
    WrongSegment,
)
from tutela.provider.service import Provider
from tutela.wire import limits
from tutela.wire.envelope import Envelope, sign
from tutela.wire.errors import OversizedMessage
from tutela.wire.manifest import MANIFEST_TYPE

FIRST = small_epoch()
SECOND = small_epoch("11" * 32, previous=FIRST, created="2026-01-06T06:00:00Z")


@pytest.fixture
def opened(home: Path) -> Iterator[Callable[..., Provider]]:
    """Opens providers in one folder, and closes them."""
    with contextlib.ExitStack() as stack:

        def make(**values: object) -> Provider:
            settings = make_settings(home, FIRST, **values)
            return stack.enter_context(contextlib.closing(Provider.open(settings, clock=TestClock(), busy_seconds=0.1)))

        yield make


def visible(provider: Provider) -> tuple[int | None, dict[str, bytes]]:
    """The newest epoch's number, and the segments that it names, as they are served."""
    try:
        newest = provider.epochs.newest()
    except NothingPublished:
        return None, {}
    return newest.number, {
        entry.digest: provider.epochs.segment(entry.digest).path.read_bytes() for entry in newest.manifest.segments
    }


def state(epoch: MadeEpoch) -> tuple[int, dict[str, bytes]]:
    return epoch.manifest.epoch, epoch.segments


def test_published_and_replaced(opened: Callable[..., Provider]):
    provider = opened()
    done = provider.publish(FIRST.envelope, FIRST.segments)
    assert (done.epoch, done.already_published, done.new_segments) == (1, False, len(FIRST.segments))
    assert visible(provider) == state(FIRST)
    done = provider.publish(SECOND.envelope, SECOND.segments)
    assert (done.epoch, done.already_published) == (2, False)
    assert visible(provider) == state(SECOND)
    assert provider.epochs.at(1).manifest == FIRST.manifest


def test_another_process_sees_it(opened: Callable[..., Provider]):
    serving, publishing = opened(), opened()
    publishing.publish(FIRST.envelope, FIRST.segments)
    assert visible(serving) == state(FIRST)
    publishing.publish(SECOND.envelope, SECOND.segments)
    assert visible(serving) == state(SECOND)


def test_again_changes_nothing(opened: Callable[..., Provider]):
    provider = opened()
    provider.publish(FIRST.envelope, FIRST.segments)
    before = provider.epochs.newest()
    again = provider.publish(FIRST.envelope, {})
    assert (again.already_published, again.new_segments) == (True, 0)
    assert provider.epochs.newest() == before


def test_again_repairs_a_damaged_file(opened: Callable[..., Provider]):
    provider = opened()
    provider.publish(FIRST.envelope, FIRST.segments)
    path = provider.publisher.files.path(next(iter(FIRST.segments)))
    path.write_bytes(b"damaged")
    with pytest.raises(WrongSegment):
        provider.publish(FIRST.envelope, {})
    provider.publish(FIRST.envelope, FIRST.segments)
    assert visible(provider) == state(FIRST)


def unsigned(epoch: MadeEpoch) -> Envelope:
    return replace(epoch.envelope, signatures=epoch.envelope.signatures[:1])


def forged(epoch: MadeEpoch) -> Envelope:
    first, second = epoch.envelope.signatures
    return replace(epoch.envelope, signatures=(first, replace(second, signature=first.signature)))


def fork() -> MadeEpoch:
    return small_epoch("22" * 32, previous=FIRST, created="2026-01-06T07:00:00Z")


def with_a_new_key() -> MadeEpoch:
    ring = FIRST.key_ring.rotated(make_keys("new"), retires="2027-01-01T00:00:00Z")
    return small_epoch(previous=FIRST, key_ring=ring, created="2026-01-06T06:00:00Z")


def damaged(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def crowded(envelope: Envelope) -> Envelope:
    """Each signature is one too many with those that are there."""
    payload, strangers = envelope.unverified_payload, limits.ENVELOPE_SIGNATURES - 1
    more = (sign(MANIFEST_TYPE, payload, Ed25519PrivateKey.generate()) for _ in range(strangers))
    return replace(envelope, signatures=(*envelope.signatures, *more))


REFUSED: dict[str, tuple[type[TutelaError], Envelope, dict[str, bytes]]] = {
    "one signature": (TooFewSignatures, unsigned(SECOND), SECOND.segments),
    "a forged signature": (ForgedManifest, forged(SECOND), SECOND.segments),
    "of another provider": (OtherProvider, small_epoch(provider="other.example").envelope, FIRST.segments),
    "segments missing": (SegmentMissing, SECOND.envelope, FIRST.segments),
    "a segment damaged": (WrongSegment, SECOND.envelope, {d: damaged(c) for d, c in SECOND.segments.items()}),
    "a segment cut": (WrongSegment, SECOND.envelope, {d: c[:-1] for d, c in SECOND.segments.items()}),
    "a key not held": (KeyNotHeld, with_a_new_key().envelope, with_a_new_key().segments),
    "too many signatures": (OversizedMessage, crowded(FIRST.envelope), FIRST.segments),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_and_invisible(opened: Callable[..., Provider], case: str):
    error, envelope, segments = REFUSED[case]
    provider = opened()
    provider.publish(FIRST.envelope, FIRST.segments)
    with pytest.raises(error) as refused:
        provider.publish(envelope, segments)
    assert type(refused.value) is error
    assert visible(provider) == state(FIRST)


def test_rollback_and_equivocation(opened: Callable[..., Provider]):
    provider = opened()
    provider.publish(FIRST.envelope, FIRST.segments)
    provider.publish(SECOND.envelope, SECOND.segments)
    with pytest.raises(Rollback):
        provider.publish(FIRST.envelope, FIRST.segments)
    with pytest.raises(Equivocation):
        provider.publish(fork().envelope, fork().segments)
    third = small_epoch("33" * 32, previous=fork(), created="2026-01-07T06:00:00Z")
    with pytest.raises(BrokenHistory):
        provider.publish(third.envelope, third.segments)
    assert visible(provider) == state(SECOND)


def test_epochs_may_be_left_out(opened: Callable[..., Provider]):
    third = small_epoch("33" * 32, previous=SECOND, created="2026-01-07T06:00:00Z")
    provider = opened()
    provider.publish(FIRST.envelope, FIRST.segments)
    provider.publish(third.envelope, third.segments)
    assert visible(provider) == state(third)
    with pytest.raises(UnknownEpoch):
        provider.epochs.at(2)


def test_secrets_are_taken_over(opened: Callable[..., Provider], tmp_path: Path):
    new = make_keys("new")
    keyfile.keep(tmp_path / "list" / "keys", new)
    second = with_a_new_key()
    provider = opened()
    provider.publish(FIRST.envelope, FIRST.segments)
    provider.publish(second.envelope, second.segments, lambda key: keyfile.load(tmp_path / "list" / "keys", key))
    assert provider.keys.load(voprf.key_id(new.public)) == new


def test_a_wrong_secret_is_not_taken_over(opened: Callable[..., Provider]):
    second = with_a_new_key()
    provider = opened()
    with pytest.raises(KeyNotHeld):
        provider.publish(second.envelope, second.segments, lambda _: make_keys("wrong"))
    assert provider.keys.ids() == (voprf.key_id(FIRST.keys.public),)


def test_no_trust_root_no_publication(opened: Callable[..., Provider], tmp_path: Path):
    provider = opened()
    for content, said in ((None, "cannot read"), (b"{}", "is no trust root")):
        provider.settings.trust_root.unlink(missing_ok=True)
        if content is not None:
            provider.settings.trust_root.write_bytes(content)
        with pytest.raises(SettingsError, match=said):
            provider.publish(FIRST.envelope, FIRST.segments)
    with pytest.raises(SettingsError, match="the trust root is that of"):
        opened(name="other.example").publish(FIRST.envelope, FIRST.segments)
    assert visible(provider) == (None, {})


# Failing disks


@contextlib.contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """The system refuses every write that would make a file larger, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_while_segments_are_written(opened: Callable[..., Provider]):
    provider = opened()
    provider.publish(FIRST.envelope, FIRST.segments)
    with files_no_larger_than(64), pytest.raises(StorageUnavailable) as refused:
        provider.publish(SECOND.envelope, SECOND.segments)
    assert refused.value.message
    assert visible(provider) == state(FIRST)
    assert not list(provider.settings.segments.glob("*.part"))
    assert not list(provider.settings.segments.glob(".*.part"))
    provider.publish(SECOND.envelope, SECOND.segments)
    assert visible(provider) == state(SECOND)


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_a_full_disk_while_the_database_is_written(opened: Callable[..., Provider]):
    provider = opened()
    provider.publish(FIRST.envelope, FIRST.segments)
    for digest, content in SECOND.segments.items():
        provider.publisher.files.put(digest, content)
    provider.database.settle()
    with files_no_larger_than(1024), pytest.raises(StorageUnavailable, match="database cannot be used"):
        provider.publish(SECOND.envelope, SECOND.segments)
    assert visible(provider) == state(FIRST)
    provider.publish(SECOND.envelope, SECOND.segments)
    assert visible(provider) == state(SECOND)


def test_a_folder_that_cannot_be_written(opened: Callable[..., Provider]):
    provider = opened()
    provider.settings.segments.write_text("in the way")
    with pytest.raises(StorageUnavailable):
        provider.publish(FIRST.envelope, FIRST.segments)
    assert visible(provider) == (None, {})


def test_one_publication_at_a_time(opened: Callable[..., Provider]):
    provider = opened()
    with provider.publisher.files.exclusively(), pytest.raises(StorageUnavailable, match="another process"):
        provider.publish(FIRST.envelope, FIRST.segments)
    assert visible(provider) == (None, {})


def test_killed_at_every_step(home: Path):
    """A process is killed before and after each step of a publication; the next one finds an old or a new epoch."""
    script = Path(__file__).with_name("publish_and_die.py")
    run = subprocess.run([sys.executable, str(script), str(home)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["killed"] >= 6
    assert found["old"] >= 1
    assert found["old"] + found["new"] == found["killed"]
    assert found["repaired"] == found["killed"]


# Garbage


def history(provider: Provider, count: int) -> list[MadeEpoch]:
    """Publish `count` epochs, each with a list of its own."""
    epochs: list[MadeEpoch] = []
    for number in range(count):
        epoch = small_epoch(
            f"{number:02x}" * 32,
            previous=epochs[-1] if epochs else None,
            created=f"2026-01-05T{6 + number:02}:00:00Z",
        )
        provider.publish(epoch.envelope, epoch.segments)
        epochs.append(epoch)
    return epochs


def test_old_epochs_go_and_what_is_referenced_stays(opened: Callable[..., Provider]):
    provider = opened(kept_epochs=2)
    epochs = history(provider, 4)
    provider.publisher.files.put("ab" * 32, b"left by a killed publication")
    (provider.settings.segments / f".{'cd' * 32}.seg.0011.part").write_bytes(b"half")
    done = provider.collect()
    assert done.epochs == (1, 2)
    needed = set(epochs[2].segments) | set(epochs[3].segments)
    gone = (set(epochs[0].segments) | set(epochs[1].segments)) - needed
    assert set(done.files) == {f"{digest}.seg" for digest in gone | {"ab" * 32}}
    assert {path.name for path in provider.settings.segments.iterdir()} == {f"{d}.seg" for d in needed} | {".lock"}
    assert visible(provider) == state(epochs[3])
    with pytest.raises(UnknownEpoch):
        provider.epochs.at(2)
    assert provider.epochs.at(3).manifest == epochs[2].manifest
    assert provider.collect().files == ()


def test_retired_secrets_are_destroyed_only_when_asked(opened: Callable[..., Provider]):
    provider = opened()
    provider.publish(FIRST.envelope, FIRST.segments)
    new = make_keys("new")
    hold(provider.settings, new)
    rotated = FIRST.key_ring.rotated(new, retires="2026-01-06T07:00:00Z")
    second = small_epoch(previous=FIRST, key_ring=rotated, created="2026-01-05T07:00:00Z")
    provider.publish(second.envelope, second.segments)
    old_id, new_id = voprf.key_id(FIRST.keys.public), voprf.key_id(new.public)
    assert provider.collect(retired_keys=True).keys == ()
    provider.clock.forward(seconds=86_400)
    assert provider.collect().keys == ()
    assert provider.collect(retired_keys=True).keys == (old_id,)
    assert provider.keys.ids() == (new_id,)


def test_status(opened: Callable[..., Provider]):
    provider = opened()
    empty = provider.status()
    assert (empty.epoch, empty.epochs, empty.sessions) == (None, (), 0)
    assert empty.database == provider.database.address
    assert [key.state for key in empty.keys] == ["held, in no published epoch"]
    new = make_keys("new")
    rotated = FIRST.key_ring.rotated(new, retires="2026-01-06T07:00:00Z")
    second = small_epoch(previous=FIRST, key_ring=rotated, created="2026-01-05T07:00:00Z")
    provider.publish(FIRST.envelope, FIRST.segments)
    provider.publish(second.envelope, second.segments, lambda _: new)
    provider.sessions.begin("@ann:home.example", "00" * 32)
    found = provider.status()
    assert found.epoch is not None
    assert (found.epoch.number, found.epochs, found.sessions, found.accounts) == (2, (1, 2), 1, 1)
    assert found.epoch.bytes == sum(len(content) for content in second.segments.values())
    states = {key.id: key.state for key in found.keys}
    assert states[voprf.key_id(new.public)] == "answers"
    assert states[voprf.key_id(FIRST.keys.public)] == "answers until 2026-01-06T07:00:00.000Z"
    provider.clock.forward(seconds=86_400)
    provider.keys.destroy(voprf.key_id(new.public))
    states = {key.id: key.state for key in provider.status().keys}
    assert states[voprf.key_id(new.public)] == "answers, but its secret is not here"
    assert states[voprf.key_id(FIRST.keys.public)].startswith("retired 2026-01-06T07:00:00.000Z, secret still held")

"""A list in a plain folder: what is written, what is read back, and what damage is told."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.epochs import SIGNERS, MadeEpoch, Signer, make_epoch, make_hashes, make_signer
from tutela.lists import canonical, errors, files, keyfile, submission
from tutela.lists.acceptance import accept
from tutela.lists.audit import audit
from tutela.lists.epoch import Settings
from tutela.lists.signing_record import SigningRecord
from tutela.lists.workspace import Workspace
from tutela.matching import hamming, voprf
from tutela.wire import document, envelope
from tutela.wire.envelope import Envelope
from tutela.wire.manifest import MANIFEST_TYPE
from tutela.wire.submission import Item, ListClass

DAYS = [f"2026-01-{day:02d}T06:00:00Z" for day in range(1, 10)]
AURORA, BOREAL = SIGNERS


def vouch(workspace: Workspace, signer: Signer, hashes: list[str], withdrawn: list[str] | None = None) -> Envelope:
    chain = workspace.chain(signer.authority.id)
    vouched = [Item(pdq=pdq, quality=90) for pdq in hashes]
    signed = submission.seal(chain.next(created=DAYS[0], vouched=vouched, withdrawn=withdrawn or []), signer.key)
    workspace.submit(signed)
    return signed


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Two authorities vouch for ten hashes; there is no epoch yet."""
    made = Workspace.create(tmp_path / "list", Settings(provider="provider.example"))
    for signer in SIGNERS:
        made.admit(signer.authority)
        vouch(made, signer, make_hashes(10))
    return made


def approve(workspace: Workspace, number: int) -> None:
    for signer in SIGNERS:
        folder = workspace.epoch(number)
        found = audit(folder.envelope().unverified_payload, folder, workspace.held(number, signer.key))
        workspace.approve(number, found.payload, signer.key)


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_list_goes_from_submissions_to_an_epoch_that_devices_accept(workspace: Workspace) -> None:
    workspace.build(created=DAYS[1])
    approve(workspace, 1)
    root = workspace.trust_root(signatures=2, jurisdictions=2, minimum_epoch=0)
    first = accept(workspace.epoch(1).envelope(), root, last=None)
    vouch(workspace, AURORA, make_hashes(11)[10:])
    vouch(workspace, BOREAL, make_hashes(11)[10:], withdrawn=make_hashes(1))
    workspace.build(created=DAYS[2])
    approve(workspace, 2)
    second = accept(workspace.epoch().envelope(), root, last=first)
    assert [one.items for one in second.lists] == [10, 0]
    assert [one.id for one in workspace.signers(2)] == ["aurora", "boreal"]


def test_it_is_the_same_epoch_that_is_made_in_memory(workspace: Workspace) -> None:
    built = workspace.build(created=DAYS[1])
    ring = workspace.key_ring(built.published, at=DAYS[1])
    chains = workspace.chains()
    made = make_epoch(make_hashes(10), created=DAYS[1], key_ring=ring, quality=90)
    assert {c.authority.id for c in chains} == {"aurora", "boreal"}
    assert made.manifest.segments == built.manifest.segments
    assert made.manifest.lists == built.manifest.lists


def test_the_files_are_where_they_are_said_to_be(workspace: Workspace) -> None:
    (layer,) = workspace.build(created=DAYS[1]).built
    key = workspace.epoch(1).manifest().keys[0].id
    assert names(workspace.root) == {
        ".gitignore",
        ".lock",
        "list.json",
        "authorities/aurora.json",
        "authorities/boreal.json",
        "submissions/aurora/1.json",
        "submissions/boreal/1.json",
        "epochs/1/manifest.json",
        "epochs/1/agreed.list",
        "epochs/1/attested.list",
        f"epochs/1/layers/{layer.entry.items_digest}.list",
        f"epochs/1/segments/{layer.entry.digest}.seg",
        f"epochs/1/evaluations/{layer.entry.items_digest}.eval",
        f"keys/{key}.key",
    }
    assert "keys/" in (workspace.root / ".gitignore").read_text().split()


def test_the_secret_key_is_for_its_owner_alone(workspace: Workspace) -> None:
    workspace.build(created=DAYS[1])
    (path,) = (workspace.root / "keys").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_layers_that_did_not_change_are_not_written_again(workspace: Workspace) -> None:
    workspace.build(created=DAYS[1])
    workspace.build(created=DAYS[2])
    for path in (workspace.root / "epochs/1").rglob("*.[se]*"):
        twin = workspace.root / "epochs/2" / path.relative_to(workspace.root / "epochs/1")
        assert twin.samefile(path)
    approve(workspace, 1)
    approve(workspace, 2)


def test_an_authority_evaluates_only_new_layers_if_it_signed_the_epoch_before(workspace: Workspace) -> None:
    workspace.build(created=DAYS[1])
    workspace.build(created=DAYS[2])
    assert workspace.held(2, AURORA.key).verified == frozenset()
    approve(workspace, 1)
    assert workspace.held(2, AURORA.key).verified == frozenset(workspace.epoch(1).manifest().segments)
    assert workspace.held(2, make_signer("zephyr", "NZ").key).verified == frozenset()
    assert workspace.held(2, None).verified == frozenset()
    assert workspace.held(2, AURORA.key, full=True).verified == frozenset()


def test_a_past_that_the_auditor_did_not_sign_is_reported(workspace: Workspace) -> None:
    """The provider builds the first epoch anew behind the auditor's back, and a second one on top of it."""
    workspace.build(created=DAYS[1])
    workspace.build(created=DAYS[2])
    folder = workspace.epoch(2)
    found = audit(folder.envelope().unverified_payload, folder, workspace.held(2, AURORA.key))
    assert found.changes == ("the epoch before does not bear your signature",)
    approve(workspace, 1)
    assert not workspace.held(2, AURORA.key).unsigned_past
    assert not workspace.held(1, AURORA.key).unsigned_past


# Keys.


def test_keys_rotate_with_an_overlap_and_at_once(workspace: Workspace) -> None:
    first = workspace.build(created=DAYS[1]).manifest
    second = workspace.build(created=DAYS[2], rotate_until=DAYS[5]).manifest
    assert [key.retires for key in second.keys] == [None, DAYS[5]]
    assert second.keys[1].id == first.keys[0].id
    third = workspace.build(created=DAYS[3], rotate_until=DAYS[3]).manifest
    assert [key.retires for key in third.keys] == [None, DAYS[3], DAYS[3]]
    for key in first.keys:
        keyfile.path_of(workspace.root / "keys", key.id).unlink()
    fourth = workspace.build(created=DAYS[4]).manifest
    assert [key.id for key in fourth.keys] == [third.keys[0].id], "retired keys are not asked for"
    for number in range(1, 5):
        approve(workspace, number)


def test_a_key_that_is_not_here_is_told(workspace: Workspace) -> None:
    built = workspace.build(created=DAYS[1])
    path = keyfile.path_of(workspace.root / "keys", built.manifest.keys[0].id)
    secret = path.read_bytes()
    other = voprf.derive_key_pair(bytes(32), b"")
    for data in (b"", secret[:-2], f"{keyfile.VERSION}\n{'0' * 64}\n".encode(), secret.replace(b"key-1", b"key-2")):
        path.write_bytes(data)
        with pytest.raises(errors.BadKeyFile, match="damaged"):
            workspace.build(created=DAYS[2])
    path.write_bytes(f"{keyfile.VERSION}\n{other.secret.hex()}\n".encode())
    with pytest.raises(errors.BadKeyFile, match="holds another key"):
        workspace.build(created=DAYS[2])
    path.unlink()
    with pytest.raises(errors.BadKeyFile, match="cannot read"):
        workspace.build(created=DAYS[2])
    assert workspace.epochs() == [1]


# Building again.


def test_an_epoch_that_nobody_signed_may_be_built_again(workspace: Workspace) -> None:
    workspace.build(created=DAYS[1])
    vouch(workspace, AURORA, [], withdrawn=make_hashes(1))
    again = workspace.build(created=DAYS[2], again=True)
    assert workspace.epochs() == [1]
    assert again.manifest.lists[0].items == 9
    workspace.build(created=DAYS[3])
    workspace.build(created=DAYS[4], again=True)
    assert workspace.epochs() == [1, 2]
    approve(workspace, 1)
    approve(workspace, 2)


def test_a_signed_epoch_is_not_built_again(workspace: Workspace) -> None:
    workspace.build(created=DAYS[1])
    approve(workspace, 1)
    with pytest.raises(errors.BuildRefused, match="is signed"):
        workspace.build(created=DAYS[2], again=True)


@pytest.mark.parametrize(
    ("until", "again", "kept", "retires"),
    [
        (DAYS[8], None, True, DAYS[8]),
        (DAYS[3], None, True, DAYS[4]),  # its time came meanwhile
        (DAYS[8], DAYS[6], False, DAYS[6]),
        (DAYS[8], DAYS[4], False, DAYS[4]),
        (DAYS[2], None, True, DAYS[4]),  # the old key may have leaked
        (DAYS[2], DAYS[8], False, DAYS[4]),
    ],
)
def test_building_again_does_not_undo_a_rotation(
    workspace: Workspace, until: str, again: str | None, kept: bool, retires: str
) -> None:
    first = workspace.build(created=DAYS[1]).manifest
    rotated = workspace.build(created=DAYS[2], rotate_until=until).manifest
    rebuilt = workspace.build(created=DAYS[4], rotate_until=again, again=True).manifest
    assert (rebuilt.keys[0].id == rotated.keys[0].id) is kept
    assert [(key.id, key.retires) for key in rebuilt.keys[1:]] == [(first.keys[0].id, retires)]
    once_more = workspace.build(created=DAYS[5], again=True).manifest
    assert once_more.keys[0] == rebuilt.keys[0]
    approve(workspace, 1)
    approve(workspace, 2)


@pytest.mark.parametrize("call", range(1, 40, 3))
def test_a_full_disk_leaves_no_half_epoch(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    workspace.build(created=DAYS[1])
    before = names(workspace.root / "epochs")
    vouch(workspace, AURORA, [], withdrawn=make_hashes(1))
    left = call
    real = os.fsync

    def full(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", full)
    with contextlib.suppress(errors.StorageFailed):
        workspace.build(created=DAYS[2])
    assert workspace.epochs() in ([1], [1, 2])
    if workspace.epochs() == [1]:
        assert names(workspace.root / "epochs") == before
    monkeypatch.undo()
    if workspace.epochs() == [1]:
        workspace.build(created=DAYS[2])
    approve(workspace, 1)
    approve(workspace, 2)


def test_what_a_killed_process_left_is_swept(workspace: Workspace) -> None:
    left = workspace.root / "epochs/.1.0123abcd.part"
    left.mkdir(parents=True)
    (left / "manifest.json").write_bytes(b"half")
    for folder in ("authorities", "submissions/aurora", "."):
        (workspace.root / folder / ".x.json.0123abcd.part").write_bytes(b"half")
    assert workspace.epochs() == []
    assert len(workspace.authorities()) == 2
    workspace.build(created=DAYS[1])
    assert not left.exists()
    assert not list(workspace.root.rglob("*.part"))


# Who is admitted, who speaks.


def test_an_authority_is_admitted_once(workspace: Workspace) -> None:
    with pytest.raises(errors.AlreadyThere):
        workspace.admit(AURORA.authority)
    with pytest.raises(errors.AlreadyThere, match="with the key"):
        workspace.admit(msgspec.structs.replace(AURORA.authority, id="aurora-2"))
    with pytest.raises(errors.AlreadyThere):
        workspace.admit(msgspec.structs.replace(make_signer("other", "NZ").authority, id="aurora"))


def test_a_stranger_cannot_submit(workspace: Workspace) -> None:
    stranger = make_signer("stranger", "XX")
    made = submission.Chain(stranger.authority, "provider.example").next(
        created=DAYS[0], vouched=[Item(pdq="0" * 64, quality=90)]
    )
    with pytest.raises(errors.UnknownAuthority, match="stranger is not an authority"):
        workspace.submit(submission.seal(made, stranger.key))


def test_a_refused_submission_leaves_nothing(workspace: Workspace) -> None:
    before = names(workspace.root)
    signed = workspace.submissions("aurora")[0]
    with pytest.raises(errors.SubmissionReplayed):
        workspace.submit(signed)
    low = workspace.chain("aurora").next(created=DAYS[0], vouched=[Item(pdq="0" * 64, quality=1)])
    with pytest.raises(errors.LowQuality):
        workspace.submit(submission.seal(low, AURORA.key))
    assert names(workspace.root) == before


def test_a_submission_of_too_many_nearly_equal_hashes_is_not_taken(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hamming, "MOST_PAIRS", 2)
    before = names(workspace.root)
    with pytest.raises(errors.TooManyNearHashes, match="aurora vouches"):
        vouch(workspace, AURORA, [f"{i:064x}" for i in range(3)])
    assert names(workspace.root) == before


def test_a_submission_that_would_stop_the_next_build_is_not_taken(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few beside each other, many beside another's: whoever brings them is told, and the list still builds."""
    picture = int(make_hashes(1)[0], 16)
    eve = make_signer("eve", "US")
    workspace.admit(eve.authority)
    vouch(workspace, AURORA, [f"{picture ^ 1 << bit:064x}" for bit in range(5)])
    crowd = [f"{picture ^ 0x7FF << 11 * i:064x}" for i in range(23)]
    monkeypatch.setattr(hamming, "MOST_PAIRS", 50)
    before = names(workspace.root)
    with pytest.raises(errors.TooManyNearHashes, match="eve vouches for too many"):
        vouch(workspace, eve, crowd)
    assert names(workspace.root) == before
    workspace.build(created=DAYS[1])
    vouch(workspace, eve, crowd[:5])


def test_withdrawing_is_always_possible(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    near = [f"{i:064x}" for i in range(3)]
    vouch(workspace, AURORA, near)
    monkeypatch.setattr(hamming, "MOST_PAIRS", 1)
    with pytest.raises(errors.TooManyNearHashes, match="aurora vouches for too many"):
        vouch(workspace, BOREAL, make_hashes(1, "new"))
    vouch(workspace, AURORA, [], withdrawn=near[:1])
    vouch(workspace, BOREAL, make_hashes(1, "new"))


@pytest.mark.parametrize("folder", ["authorities", "submissions", "submissions/eve", "epochs", "epochs/7", "keys"])
def test_nothing_is_written_or_swept_through_a_link(workspace: Workspace, tmp_path: Path, folder: str) -> None:
    """Whoever hands a list over must not have another's files deleted, nor a secret put where it is published."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / ".precious.part").mkdir(parents=True)
    (elsewhere / ".precious.part" / "thesis").write_text("x")
    (elsewhere / ".other.part").write_text("x")
    before = names(elsewhere)
    linked = workspace.root / folder
    linked.parent.mkdir(exist_ok=True)
    if linked.exists():
        shutil.rmtree(linked)
    linked.symlink_to(elsewhere)
    with pytest.raises(errors.WorkspaceDamaged, match=f"{folder} is a link"):
        workspace.build(created=DAYS[1])
    with pytest.raises(errors.WorkspaceDamaged, match=f"{folder} is a link"):
        workspace.admit(make_signer("cumulus", "CA").authority)
    assert names(elsewhere) == before


@pytest.mark.parametrize("name", ["list.json", "authorities/aurora.json", "submissions/aurora/1.json"])
def test_a_pipe_in_a_list_is_not_waited_for(workspace: Workspace, name: str) -> None:
    (workspace.root / name).unlink()
    os.mkfifo(workspace.root / name)
    with pytest.raises((errors.StorageFailed, errors.WorkspaceDamaged)):
        Workspace.open(workspace.root).chains()


def test_only_an_admitted_authority_approves(workspace: Workspace) -> None:
    payload = workspace.build(created=DAYS[1]).payload
    with pytest.raises(errors.UnknownAuthority):
        workspace.approve(1, payload, make_signer("stranger", "XX").key)
    with pytest.raises(errors.UnknownAuthority):
        workspace.approve(1, b"changed since", make_signer("stranger", "XX").key)
    assert workspace.member(AURORA.key) == AURORA.authority


def test_a_key_with_a_record_signs_one_epoch_of_a_number_in_whatever_folder(
    workspace: Workspace, tmp_path: Path
) -> None:
    key_path = tmp_path / "aurora.pem"
    key_path.write_bytes(b"the key")
    record = SigningRecord.beside(key_path, AURORA.key)
    shutil.copytree(workspace.root, tmp_path / "clone")
    clone = Workspace.open(tmp_path / "clone")
    payload, other = workspace.build(created=DAYS[1]).payload, clone.build(created=DAYS[2]).payload
    workspace.approve(1, payload, AURORA.key, record)
    with pytest.raises(errors.AlreadySigned):
        clone.approve(1, other, AURORA.key, record)
    assert clone.signers(1) == ()
    workspace.approve(1, payload, AURORA.key, record)
    assert [one.id for one in workspace.signers(1)] == ["aurora"]


def test_what_is_not_signed_is_not_on_record(workspace: Workspace, tmp_path: Path) -> None:
    key_path = tmp_path / "aurora.pem"
    key_path.write_bytes(b"the key")
    record = SigningRecord.beside(key_path, AURORA.key)
    payload = workspace.build(created=DAYS[1]).payload
    workspace.build(created=DAYS[2], again=True)
    with pytest.raises(errors.WorkspaceDamaged, match="changed since"):
        workspace.approve(1, payload, AURORA.key, record)
    assert not record.path.exists()


def test_a_manifest_that_changed_since_its_audit_is_not_signed(workspace: Workspace) -> None:
    payload = workspace.build(created=DAYS[1]).payload
    workspace.build(created=DAYS[2], again=True)
    with pytest.raises(errors.WorkspaceDamaged, match="changed since"):
        workspace.approve(1, payload, AURORA.key)


def test_signatures_are_collected_from_another_copy(workspace: Workspace, tmp_path: Path) -> None:
    payload = workspace.build(created=DAYS[1]).payload
    shutil.copytree(workspace.root, tmp_path / "clone")
    clone = Workspace.open(tmp_path / "clone")
    workspace.approve(1, payload, AURORA.key)
    clone.approve(1, payload, BOREAL.key)
    assert workspace.collect(1, clone.epoch(1).envelope()) == ("boreal",)
    assert [one.id for one in workspace.signers(1)] == ["aurora", "boreal"]


def test_only_true_signatures_on_the_same_manifest_are_collected(workspace: Workspace) -> None:
    payload = workspace.build(created=DAYS[1]).payload
    forged = Envelope(MANIFEST_TYPE, payload, (dataclasses.replace(envelope.sign(MANIFEST_TYPE, b"", AURORA.key)),))
    with pytest.raises(errors.ForgedManifest):
        workspace.collect(1, forged)
    stranger = envelope.seal(MANIFEST_TYPE, payload, make_signer("stranger", "XX").key)
    assert workspace.collect(1, stranger) == ()
    with pytest.raises(errors.WorkspaceDamaged, match="not a copy"):
        workspace.collect(1, envelope.seal(MANIFEST_TYPE, payload + b" ", AURORA.key))
    assert workspace.signers(1) == ()


def test_an_authority_that_leaves_takes_its_vouches_along(workspace: Workspace) -> None:
    workspace.build(created=DAYS[1])
    approve(workspace, 1)
    (workspace.root / "authorities/boreal.json").unlink()
    built = workspace.build(created=DAYS[2])
    assert built.manifest.lists[0].items == 0
    folder = workspace.epoch(2)
    found = audit(folder.envelope().unverified_payload, folder, workspace.held(2, AURORA.key))
    assert found.changes == ("the authority boreal (CA) leaves",)


# Damage.


def test_a_folder_without_a_list_is_told(tmp_path: Path) -> None:
    with pytest.raises(errors.WorkspaceDamaged, match="holds no list"):
        Workspace.open(tmp_path)


def test_a_list_is_not_made_over_another(workspace: Workspace) -> None:
    with pytest.raises(errors.AlreadyThere):
        Workspace.create(workspace.root, Settings(provider="other.example"))
    assert Workspace.open(workspace.root).settings.provider == "provider.example"


def test_epochs_that_are_not_there_are_told(workspace: Workspace) -> None:
    with pytest.raises(errors.WorkspaceDamaged, match="no epoch yet"):
        workspace.epoch()
    workspace.build(created=DAYS[1])
    with pytest.raises(errors.WorkspaceDamaged, match="no epoch 2; the newest is 1"):
        workspace.epoch(2)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("list.json", b"{}"),
        ("list.json", b"not json"),
        ("authorities/aurora.json", b"{}"),
        ("submissions/aurora/1.json", b"{}"),
        ("epochs/1/manifest.json", b"{}"),
    ],
)
def test_damaged_files_are_told_by_name(workspace: Workspace, path: str, data: bytes) -> None:
    workspace.build(created=DAYS[1])
    (workspace.root / path).write_bytes(data)
    with pytest.raises(errors.WorkspaceDamaged, match=path):
        Workspace.open(workspace.root).build(created=DAYS[2])


def test_a_descriptor_under_another_name_is_told(workspace: Workspace) -> None:
    folder = workspace.root / "authorities"
    (folder / "aurora.json").rename(folder / "zephyr.json")
    with pytest.raises(errors.WorkspaceDamaged, match="describes aurora"):
        workspace.authorities()


def test_a_missing_submission_is_told(workspace: Workspace) -> None:
    vouch(workspace, AURORA, ["0" * 64])
    (workspace.root / "submissions/aurora/1.json").unlink()
    with pytest.raises(errors.WorkspaceDamaged, match="without gaps"):
        workspace.chains()


def test_a_layer_file_that_is_bound_but_not_canonical_is_told(workspace: Workspace) -> None:
    built = workspace.build(created=DAYS[1])
    folder = workspace.epoch(1)
    data = b"tutela-list-1 agreed\nwhatever\n"
    (entry,) = built.manifest.segments
    bad = msgspec.structs.replace(entry, items_digest=canonical.digest(data))
    payload = document.encode(msgspec.structs.replace(built.manifest, segments=(bad,)))
    files.write(folder.path / "manifest.json", envelope.encode(envelope.seal(MANIFEST_TYPE, payload)))
    files.write(folder.path / f"layers/{bad.items_digest}.list", data)
    with pytest.raises(errors.WorkspaceDamaged, match="is not a hash"):
        workspace.build(created=DAYS[2])


def test_a_forged_signature_counts_as_none(workspace: Workspace) -> None:
    workspace.build(created=DAYS[1])
    workspace.epoch(1).add_signature(envelope.sign(MANIFEST_TYPE, b"something else", AURORA.key))
    assert workspace.signers(1) == ()
    approve(workspace, 1)
    assert [one.id for one in workspace.signers(1)] == ["aurora", "boreal"], "a true one takes its place"


@pytest.mark.parametrize("change", [lambda data: data + b"\n", lambda _: b"tutela-list-1 agreed\n", None])
def test_a_layer_that_does_not_have_its_digest_is_told(workspace: Workspace, change: Any) -> None:
    (layer,) = workspace.build(created=DAYS[1]).built
    path = workspace.root / f"epochs/1/layers/{layer.entry.items_digest}.list"
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes()))
    with pytest.raises((errors.WorkspaceDamaged, errors.StorageFailed), match=layer.entry.items_digest):
        workspace.build(created=DAYS[2])


def test_two_processes_do_not_write_at_once(workspace: Workspace) -> None:
    with files.exclusively(workspace.root), pytest.raises(errors.StorageFailed, match="another process"):
        workspace.build(created=DAYS[1])


def test_a_clone_without_empty_folders_works(workspace: Workspace, tmp_path: Path) -> None:
    """Git keeps no empty folder, and no secret."""
    root = tmp_path / "clone"
    root.mkdir()
    shutil.copy(workspace.root / "list.json", root)
    clone = Workspace.open(root)
    assert (clone.authorities(), clone.chains(), clone.epochs()) == ((), (), [])
    clone.admit(AURORA.authority)
    vouch(clone, AURORA, make_hashes(1))
    assert clone.build(created=DAYS[1]).manifest.lists[0].items == 0


def test_hashes_stand_by_class(workspace: Workspace) -> None:
    chain = workspace.chain("boreal")
    feed = chain.next(
        created=DAYS[0],
        list_class=ListClass.ATTESTED,
        vouched=[Item(pdq="0" * 64, quality=90, verified_by=("A Board",))],
    )
    workspace.submit(submission.seal(feed, BOREAL.key))
    assert [one.items for one in workspace.build(created=DAYS[1]).manifest.lists] == [10, 1]


def test_the_harness_and_the_workspace_agree_on_what_an_epoch_is(workspace: Workspace) -> None:
    assert isinstance(make_epoch(), MadeEpoch)
    assert workspace.build(created=DAYS[1]).manifest.provider == make_epoch().manifest.provider

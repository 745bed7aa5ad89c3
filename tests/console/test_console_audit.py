"""The audit log: shown, verified, signed, and checked by somebody who has nothing but two files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from harness.console import ConsoleStage
from harness.reports import message, report
from tutela.provider.errors import DamagedAudit, StorageUnavailable
from tutela.provider.review import audit
from tutela.provider.review.checkpoints import Checkpoints, check_leaves
from tutela.provider.review.people import Role
from tutela.provider.review.tables import AuditHead, AuditLeaf
from tutela.transparency import checkpoint
from tutela.transparency.errors import ForgedNote, UnsignedNote
from tutela.transparency.merkle import Frontier
from tutela.transparency.note import VerifierKey
from tutela.wire.document import encode


def checkpoints(console: ConsoleStage) -> Checkpoints:
    from tutela.provider.review import audit_key

    provider = console.provider.provider
    key = audit_key.load(provider.settings.audit_key, provider.settings.name, bytes)
    return Checkpoints(provider.database, key, provider.settings.audit_checkpoint)


def some_reports(console: ConsoleStage, *numbers: int) -> None:
    for number in numbers:
        about = f"@about{number}:home.example"
        sent = report(message(number), number=number, about=about)
        console.provider.provider.reports.take("@mia:home.example", encode(sent))


async def saved(console: ConsoleStage) -> tuple[bytes, list[bytes], VerifierKey]:
    """What an auditor takes home."""
    auditor = await console.member("Aud", Role.AUDITOR)
    signed = await auditor.get("/audit/checkpoint")
    leaves = await auditor.get("/audit/leaves")
    for answer in (signed, leaves):
        assert answer.status_code == 200
        assert answer.headers["content-disposition"].startswith("attachment; ")
    page = await auditor.get("/audit")
    key = next(text for text in page.text.split("<code>") if text.startswith("provider.example/audit+"))
    return signed.content, leaves.content.splitlines(), VerifierKey.decode(key.partition("<")[0].replace("&#43;", "+"))


async def test_entries_are_shown_newest_first_and_by_case(console: ConsoleStage):
    some_reports(console, 1, 2)
    auditor = await console.member("Aud", Role.AUDITOR)
    page = (await auditor.get("/audit")).text
    assert page.index("Somebody signed in") < page.index("Somebody was invited") < page.index("A report came in")
    assert page.count("A report came in") == 2
    only = (await auditor.get("/audit?case=2")).text
    assert only.count("A report came in") == 1
    assert "Somebody signed in" not in only
    assert "There are none." in (await auditor.get("/audit?case=77")).text
    assert "mia" not in page


@pytest.mark.parametrize("query", ["case=x", "case=-1", "case=" + "9" * 16, "before=²"])
async def test_what_is_no_number_is_refused(console: ConsoleStage, query: str):
    auditor = await console.member("Aud", Role.AUDITOR)
    assert (await auditor.get(f"/audit?{query}")).status_code == 400


async def test_long_logs_have_pages(console: ConsoleStage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(audit, "PAGE", 2)
    monkeypatch.setattr(audit, "_BATCH", 2)
    auditor = await console.member("Aud", Role.AUDITOR)  # three entries
    page = (await auditor.get("/audit")).text
    assert "/audit?before=1" in page
    assert "Somebody was invited" not in page
    older = (await auditor.get("/audit?before=1")).text
    assert "Somebody was invited" in older
    assert "Older entries" not in older
    assert len((await auditor.get("/audit/leaves")).text.splitlines()) == 3


async def test_the_whole_log_is_verified_at_a_button(console: ConsoleStage):
    some_reports(console, 1)
    auditor = await console.member("Aud", Role.AUDITOR)
    whole = await auditor.send("/audit/verify", {})
    assert "The log is whole" in whole.text
    assert "Entries: 4." in whole.text
    with console.provider.provider.database.writing() as connection:
        forged = audit.Entry(event="noted", by="somebody")
        leaf = json.dumps({"entry": {"by": forged.by, "event": forged.event}, "number": 0, "time": 1}).encode()
        connection.execute(update(AuditLeaf).where(AuditLeaf.number == 0).values(leaf=leaf))
    damaged = await auditor.send("/audit/verify", {})
    assert damaged.status_code == 200
    assert "The audit log has been damaged" in damaged.text
    assert (await auditor.get("/audit/checkpoint")).status_code == 500


async def test_an_outsider_checks_it_with_two_files(console: ConsoleStage):
    some_reports(console, 1, 2, 3)
    signed, leaves, key = await saved(console)
    read = checkpoint.read(signed, key)
    assert (read.origin, read.size) == ("provider.example/audit", len(leaves))
    check_leaves(leaves, read)
    some_reports(console, 4)
    newer, more, _ = await saved(console)
    check_leaves(more, checkpoint.read(newer, key), older=read)
    check_leaves(more, read)  # entries that came after the checkpoint do no harm


@pytest.mark.parametrize("what", ["changed", "swapped", "dropped", "cut", "nonsense", "added in the middle"])
async def test_an_outsider_notices(console: ConsoleStage, what: str):
    some_reports(console, 1, 2, 3)
    signed, leaves, key = await saved(console)
    read = checkpoint.read(signed, key)
    match what:
        case "changed":
            leaves[1] = leaves[1].replace(b"reporter", b"somebody")
        case "swapped":
            leaves[0], leaves[1] = leaves[1], leaves[0]
        case "dropped":
            del leaves[1]
        case "cut":
            leaves.pop()
        case "nonsense":
            leaves[1] = b"{"
        case "added in the middle":
            leaves.insert(1, leaves[0])
    with pytest.raises(DamagedAudit):
        check_leaves(leaves, read)


async def test_a_forged_checkpoint_is_refused(console: ConsoleStage, tmp_path: Path):
    signed, _, key = await saved(console)
    with pytest.raises(ForgedNote):
        checkpoint.read(signed.replace(b"\n6\n", b"\n7\n").replace(b"\n3\n", b"\n7\n"), key)
    other = VerifierKey(key.name, bytes(32))
    with pytest.raises(UnsignedNote):
        checkpoint.read(signed, other)


async def test_an_older_checkpoint_is_followed(console: ConsoleStage):
    some_reports(console, 1)
    older, _, _ = await saved(console)
    some_reports(console, 2)
    assert checkpoints(console).verified(older).size > checkpoint.read(older, checkpoints(console).key.verifier).size


def rewrite(console: ConsoleStage, *, keep: int) -> None:
    """What somebody does who can change the database and knows how the log works: drop its end, mend the rest."""
    with console.provider.provider.database.writing() as connection:
        connection.execute(delete(AuditLeaf).where(AuditLeaf.number >= keep))
        frontier = Frontier()
        rows = connection.execute(AuditLeaf.__table__.select().order_by(AuditLeaf.number)).all()
        for row in rows:
            frontier = frontier.append(row.hash)
        connection.execute(update(AuditHead).values(size=keep, frontier=frontier.encode()))
    audit.verify(console.provider.provider.database)  # in itself it is whole


async def test_a_rewritten_log_is_not_signed(console: ConsoleStage):
    some_reports(console, 1, 2, 3)
    log = checkpoints(console)
    older = log.sign()
    rewrite(console, keep=2)
    for check in (log.verified, log.sign, lambda: log.verified(older)):
        with pytest.raises(DamagedAudit, match="ends at entry 2, and a checkpoint of 3"):
            check()
    some_reports(console, 7, 8)  # it grows again, past where it was
    with pytest.raises(DamagedAudit, match="is not the one of which a checkpoint was signed"):
        log.sign()
    log.path.unlink()  # whoever can change the folder, too, has it signed
    log.sign()
    with pytest.raises(DamagedAudit, match="is not the one"):  # but not in the eyes of whoever kept a checkpoint
        log.verified(older)


async def test_a_checkpoint_of_the_wrong_kind_is_told(console: ConsoleStage):
    log = checkpoints(console)
    log.sign()
    log.path.write_bytes(b"x")
    with pytest.raises(DamagedAudit, match="cannot be used") as told:
        log.sign()
    assert told.value.hint
    log.path.unlink()
    log.path.mkdir()
    with pytest.raises(StorageUnavailable):
        log.sign()


async def test_the_key_is_the_services_alone_and_stays(console: ConsoleStage):
    path = console.provider.settings.audit_key
    assert path.stat().st_mode & 0o777 == 0o600
    assert checkpoints(console).key.verifier == checkpoints(console).key.verifier

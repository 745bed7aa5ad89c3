"""The story's last scene: a child reports, two people decide, and it is carried out."""

from __future__ import annotations

import asyncio
import re
import secrets
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import Final

import httpx
import msgspec

from tutela.chat.reading_time import when_read
from tutela.demo.errors import expect
from tutela.demo.reviewer import Reviewer
from tutela.demo.stage import Person, Stage
from tutela.integrations.matrix.errors import MatrixError
from tutela.integrations.matrix.timeline import ServiceMessage, TextMessage
from tutela.language import words
from tutela.provider.review.people import Role
from tutela.wire import document
from tutela.wire.report import MessageEvidence, Proof, ReadingTime, Report, ReportOutcome, ReportReason, padded

ASKED: Final = "Let this be our secret. Send me a picture of you, and I send you the game."
_RULE: Final = "asking-a-child-for-pictures"
_REASONS: Final = "You asked a child for pictures, and to keep it secret."
#: Seconds within which a decision is carried out.
_CARRIED_OUT: Final = 30


async def report(stage: Stage) -> list[str]:
    """A child reports a message; reports that were tampered with are refused."""
    mia, sam = stage.people["mia"], stage.people["sam"]
    await _hire(stage)
    event_id = await sam.client.send_text(stage.other_room_id, ASKED)
    message = mia.client.evidence(await mia.wait_for(TextMessage, event_id))
    reports = mia.client.reports
    assert message is not None
    assert reports is not None
    own = await reports.send(
        ReportReason.ASKED_FOR_PICTURES,
        messages=[message],
        about=sam.client.user_id,
        text="I don't know him, and he keeps asking.",
    )
    expect(own.receipt is not None and not own.receipt.nobody_reads, "somebody is there to read it")
    expect(own.receipt is not None and own.receipt.proofs == (Proof.PROVEN,), "the message is proven")
    assert own.receipt is not None
    stage.reported = own.id
    lines = [
        f"Sam to Mia: “{ASKED}” Mia reports that one message. The provider verifies who sent it, when, and where.",
        f"Mia is told: reference {own.receipt.reference}. {_read(own.receipt.read_within_minutes)} "
        "Sam is told nothing.",
    ]
    words = message.content.replace("secret", "treasure")
    for what, forged in (
        ("other words", msgspec.structs.replace(message, content=words)),
        ("another sender", msgspec.structs.replace(message, sender=stage.people["leo"].client.user_id)),
        ("another time", msgspec.structs.replace(message, sent_at=message.sent_at + 60_000)),
        ("another conversation", msgspec.structs.replace(message, room_id=stage.room_id)),
    ):
        code = await _handed_in(stage, mia, forged)
        expect(code == "report-refused", f"a report that claims {what} is refused")
    lines.append("The same with other words, sender, time or conversation is refused each time: nobody is framed.")
    return lines


def _read(minutes: int | None) -> str:
    """As the chat says it."""
    now = datetime.now(UTC)  # noqa: TID251 (the edge)
    return when_read(ReadingTime(nobody_for=0, within=minutes), now=now, zone=None, words=words("en"))


async def _hire(stage: Stage) -> None:
    """Have two people come into the console: a time is promised only where somebody can read."""
    origin = stage.console.origin
    stage.reviewers = [Reviewer(origin, "Anna"), Reviewer(origin, "Ben")]
    anna, ben = stage.reviewers
    await anna.join(await stage.invite("Anna", "The provider"))
    await ben.join(await stage.invite("Ben", "A helpline", Role.PARTNER))


async def _handed_in(stage: Stage, person: Person, evidence: MessageEvidence) -> str:
    """Hand in a report past the device, which would not send it as proven; return the provider's code."""
    report = Report(
        version=1,
        id=secrets.token_hex(32),
        reason=ReportReason.THREATENED,
        danger_now=False,
        about=evidence.sender,
        text="",
        language="en",
        region=None,
        evidence=(evidence,),
        attachments=(),
    )
    json_ = {"content-type": "application/json"}
    async with httpx.AsyncClient(base_url=stage.provider_url, timeout=30, trust_env=False) as http:
        token = document.encode(await person.client.openid_token())
        session = (await http.post("/v1/session", content=token, headers=json_)).json()["session"]
        bearer = {"authorization": f"Bearer {session}"}
        answer = await http.post("/v1/reports", content=padded(report), headers=json_ | bearer)
    return str(answer.json().get("code", "taken"))


async def decide(stage: Stage) -> list[str]:
    """Two people decide on it in the console, and the homeserver does it."""
    mia, sam = stage.people["mia"], stage.people["sam"]
    anna, ben = stage.reviewers
    case = re.search(r'href="(/cases/\d+)', await anna.see("/queue"))
    expect(case is not None, "the report is in the queue")
    assert case is not None
    page = await anna.see(case[1])
    expect("Let this be our secret" in page, "the verified message is on the case's page")
    await anna.send(
        f"{case[1]}/decide",
        _hidden(page)
        | {
            "rule": _RULE,
            f"action.{_RULE}": "suspend",
            "reasons": _REASONS,
            "answer": "Thank you for telling us. You did the right thing.",
        },
    )
    page = await ben.see(case[1])
    second = re.search(r'action="(/decisions/[0-9a-f]+/second)"', page)
    expect(second is not None, "the decision waits for a second person")
    expect(await _can_write(stage, sam), "one person alone has changed nothing")
    assert second is not None
    await ben.send(second[1], _hidden(page))
    letter = await sam.wait_for(ServiceMessage)
    expect(_REASONS in letter.text, "Sam reads the reasons on the device")
    await _until_suspended(stage, sam)
    told = await asyncio.to_thread(_told, stage)
    expect(told == 1, "Sam was told why, once, before the account was suspended")
    assert mia.client.reports is not None
    [own] = await mia.client.reports.mine()
    expect(own.status is not None and own.status.outcome is ReportOutcome.ACTED, "Mia learns that something was done")
    assert own.status is not None
    acts = await stage.verify_audit()
    return [
        "Anna (the provider) reads the verified message and proposes to suspend Sam. Nothing happens yet.",
        "Ben (a helpline) agrees, and each confirmed just this with a passkey: now it is carried out.",
        "Sam was sent the reasons, and a way to appeal, once; then the account was suspended on the homeserver.",
        f"Mia is told: “{own.status.message}”",
        f"The audit log holds {acts} acts, names neither Mia nor Sam, and verifies.",
    ]


def _hidden(page: str) -> dict[str, str]:
    """What the page's forms say of the case as it was seen."""
    fields = re.findall(r'<input type="hidden" name="(case|version|seen)" value="([^"]*)"', page)
    return dict(fields)


async def _can_write(stage: Stage, person: Person) -> bool:
    try:
        await person.client.send_text(stage.other_room_id, "…")
    except MatrixError:
        return False
    return True


async def _until_suspended(stage: Stage, person: Person) -> None:
    async with asyncio.timeout(_CARRIED_OUT):
        while await _can_write(stage, person):  # noqa: ASYNC110 (the homeserver tells nobody)
            await asyncio.sleep(0.1)


def _told(stage: Stage) -> int:
    """How many messages the service account sent, as the homeserver's database has them."""
    with closing(sqlite3.connect(f"file:{stage.homeserver.database}?mode=ro", uri=True)) as database:
        query = "SELECT count(*) FROM events WHERE type = 'm.room.message' AND sender = ?"
        (count,) = database.execute(query, (stage.service,)).fetchone()
    return int(count)

"""The pages of review, as a browser without a script sees them: what they show, take in, and never let through."""

from __future__ import annotations

import hashlib
import html
import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
from PIL import Image

from harness.console import ConsoleStage, Visitor
from harness.provider import SERVER
from harness.reports import MIA, SentFile, message, picture, report, unproven
from harness.review import FakeHomeserver
from harness.review_console import named, photograph
from tutela.provider.review import audit, cases, view
from tutela.provider.review.acting import Worker
from tutela.provider.review.people import Role
from tutela.provider.review.wellness import LONGEST
from tutela.wire.document import encode
from tutela.wire.report import Report, ReportReason

RULE = "asking-a-child-for-pictures"
WARN = {"rule": "unwanted-contact", "action.unwanted-contact": "warn", "reasons": "You pressed a child for secrets."}
SUSPEND = {"rule": RULE, f"action.{RULE}": "suspend", "reasons": "You asked a child for pictures."}
LOCK = {"rule": "threats-and-extortion", "action.threats-and-extortion": "lock", "reasons": "You threatened somebody."}


@dataclass
class Desk:
    """A console with what its tests do again and again."""

    console: ConsoleStage
    homeserver: FakeHomeserver = field(default_factory=FakeHomeserver)
    sent: int = 0

    @property
    def provider(self):
        return self.console.provider.provider

    async def report(self, *files: SentFile, account: str = MIA, **values: object) -> Report:
        self.sent += 1
        values = {"attachments": tuple(file.attachment for file in files), "evidence": (message(1),)} | values
        made = report(*values.pop("evidence"), number=self.sent, **values)  # type: ignore[misc]
        self.provider.reports.take(account, encode(made))
        for file in files:

            async def chunks(data: bytes = file.data) -> AsyncIterator[bytes]:
                yield data

            digest = hashlib.sha256(file.data).hexdigest()
            await self.provider.reports.attach(account, made.id, digest, len(file.data), chunks())
        return made

    def case(self, number: int = 1) -> cases.CaseRow:
        with self.provider.database.reading() as connection:
            return cases.load(connection, number)

    def seen(self, number: int = 1) -> dict[str, object]:
        """What a page tells its forms of the case."""
        row = self.case(number)
        return {"version": row.version, "seen": row.news}

    async def decide(self, visitor: Visitor, fields: dict[str, object], case: int = 1) -> httpx.Response:
        return await visitor.send(f"/cases/{case}/decide", self.seen(case) | fields, confirm=True)

    async def act(self, visitor: Visitor, act: str, case: int = 1, **fields: object) -> httpx.Response:
        self.console.provider.clock.forward(seconds=1)
        decision = self.provider.decisions.of_case(case)[-1].id
        told = {"case": case, "version": self.case(case).version} | fields
        return await visitor.send(f"/decisions/{decision}/{act}", told, confirm=True)

    def states(self, case: int = 1) -> list[str]:
        return [decision.state for decision in self.provider.decisions.of_case(case)]

    async def statement(self) -> str:
        """Carry out what was decided; return what the person concerned is told."""
        worker = Worker(
            self.provider.database,
            self.provider.clock,
            self.provider.reports.policy,
            self.provider.decisions,
            self.homeserver,
            f"{self.console.site.origin}/appeal/",
            bytes(32),
        )
        while await worker.run_once():
            pass
        return next(action.text for action in self.homeserver.done if action.kind == "statement")


@pytest.fixture
def desk(console: ConsoleStage) -> Desk:
    return Desk(console)


@pytest.fixture
async def anna(console: ConsoleStage) -> Visitor:
    return await console.member("Anna", Role.REVIEWER)


@pytest.fixture
async def bert(console: ConsoleStage) -> Visitor:
    return await console.member("Bert", Role.REVIEWER)


@pytest.fixture
async def pia(console: ConsoleStage) -> Visitor:
    return await console.member("Pia", Role.PARTNER, "Child Focus")


def text_of(answer: httpx.Response) -> str:
    """The words of a page."""
    body = re.sub(r"<(script|style)\b.*?</\1>", "", answer.text, flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", body)))


def value_of(answer: httpx.Response, name: str) -> str:
    """What stands in a text field of a page."""
    found = re.search(rf'<textarea [^>]*name="{name}"[^>]*>(.*?)</textarea>', answer.text, re.S)
    assert found is not None
    return html.unescape(found[1])


# Deciding


async def test_one_person_warns(desk: Desk, anna: Visitor):
    await desk.report(reason=ReportReason.SOMETHING_ELSE)

    answer = await desk.decide(anna, WARN | {"answer": "Thank you."})

    assert (answer.status_code, answer.headers["location"]) == (303, "/cases/1")
    assert desk.states() == ["in-force"]
    assert not desk.case().open
    page = await anna.get("/cases/1")
    assert "In force" in page.text
    assert "You pressed a child for secrets." in page.text


@pytest.mark.parametrize("language", ["en", "fr"])
async def test_the_last_time_that_a_report_can_hold_is_shown(desk: Desk, anna: Visitor, language: str):
    """No reporter closes a case to those who review by a time that no page can show."""
    await desk.report(evidence=(unproven(message(1, time=253_402_300_799_999)),))

    page = await anna.get(f"/cases/1?lang={language}")

    assert page.status_code == 200
    assert "9999-12-31T23:59:59Z" in page.text


async def test_two_people_suspend(desk: Desk, anna: Visitor, bert: Visitor):
    await desk.report()
    await desk.decide(anna, SUSPEND)
    assert desk.states() == ["proposed"]
    mine, theirs = await anna.get("/cases/1"), await bert.get("/cases/1")
    assert "It waits for a second person: not for you." in mine.text
    assert '/second"' not in mine.text
    assert '/second"' in theirs.text

    assert (await desk.act(anna, "second")).status_code == 403
    assert desk.states() == ["proposed"]
    assert (await desk.act(bert, "second")).status_code == 303
    assert desk.states() == ["in-force"]


async def test_a_decision_that_no_passkey_confirmed_is_not_made_and_nothing_written_is_lost(desk: Desk, anna: Visitor):
    await desk.report(reason=ReportReason.SOMETHING_ELSE)

    answer = await anna.send("/cases/1/decide", desk.seen() | WARN)

    assert answer.status_code == 403
    assert "You pressed a child for secrets." in answer.text
    assert desk.states() == []


@pytest.mark.parametrize("act", ["second", "refuse", "undo", "answer"])
async def test_no_act_without_the_passkey(desk: Desk, anna: Visitor, bert: Visitor, act: str):
    await desk.report()
    await desk.decide(anna, SUSPEND)
    decision = desk.provider.decisions.of_case(1)[0].id

    told = {"case": 1, "version": desk.case().version, "reasons": "x", "stands": "yes"}
    answer = await bert.send(f"/decisions/{decision}/{act}", told)

    assert answer.status_code == 403
    assert desk.states() == ["proposed"]


async def test_what_was_confirmed_for_one_decision_is_good_for_no_other(desk: Desk, anna: Visitor):
    await desk.report(reason=ReportReason.SOMETHING_ELSE)
    fields = desk.seen() | WARN
    assertion = await anna.confirmation("/cases/1/decide", fields)

    changed = fields | {"reasons": "Something else.", "assertion": assertion, "token": await anna.token()}
    assert (await anna.http.post("/cases/1/decide", data=changed)).status_code == 403
    assert desk.states() == []


async def test_a_stale_page_changes_nothing_and_keeps_all_that_was_written(desk: Desk, anna: Visitor, bert: Visitor):
    await desk.report()
    stale = desk.seen()
    await desk.decide(bert, SUSPEND)
    await desk.act(bert, "refuse", reasons="I was wrong.")

    written = {"reasons": "You <b>asked</b>.", "answer": "Thank you, “Mia’s friend”."}
    answer = await anna.send(
        "/cases/1/decide",
        stale | SUSPEND | written | {"bad_faith": "f" * 64, f"action.{RULE}": ["suspend", "ban"]},
        confirm=True,
    )

    assert answer.status_code == 409
    assert "Somebody else changed this case meanwhile" in answer.text
    assert value_of(answer, "reasons") == written["reasons"]
    assert value_of(answer, "answer") == written["answer"]
    for checked in (f"rule-{RULE}", f"{RULE}-suspend", f"{RULE}-ban"):
        assert re.search(rf'id="{checked}"[^>]* checked>', answer.text), checked
    assert f'name="version" value="{desk.case().version}"' in answer.text
    assert desk.states() == ["refused"]


async def test_two_second_at_once_and_one_is_told(desk: Desk, anna: Visitor, bert: Visitor, pia: Visitor):
    await desk.report()
    await desk.decide(anna, SUSPEND)
    decision, told = desk.provider.decisions.of_case(1)[0].id, {"case": 1, "version": desk.case().version}

    first = await bert.send(f"/decisions/{decision}/second", told, confirm=True)
    second = await pia.send(f"/decisions/{decision}/second", told, confirm=True)

    assert (first.status_code, second.status_code) == (303, 403)  # it does not wait for her any more
    assert desk.states() == ["in-force"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"rule": "no-such-rule"}, 422),
        ({"action.unwanted-contact": "ban"}, 422),
        ({"action.unwanted-contact": "no-such-action"}, 400),
        ({"action.unwanted-contact": []}, 422),
        ({"reasons": " "}, 422),
        ({"reasons": "x" * 4001}, 422),
        ({"seen": 99}, 422),
        ({"version": "one"}, 400),
        ({"version": ""}, 400),
        ({"bad_faith": "f" * 64}, 422),
        ({"medium": "mxc://x/y"}, 422),
        ({"ready": "99"}, 400),
    ],
)
async def test_what_the_policy_does_not_allow(desk: Desk, anna: Visitor, fields: dict[str, object], status: int):
    await desk.report(reason=ReportReason.SOMETHING_ELSE)

    answer = await desk.decide(anna, WARN | {"answer": ""} | fields)

    assert answer.status_code == status
    assert desk.states() == []
    assert desk.case().version == 1


async def test_a_name_in_the_reasons_is_asked_about(desk: Desk, anna: Visitor):
    await desk.report(account=f"@rose:{SERVER}", reason=ReportReason.SOMETHING_ELSE)
    fields = WARN | {"reasons": "You sent a rose."}

    answer = await desk.decide(anna, fields)

    assert answer.status_code == 422
    assert value_of(answer, "reasons") == "You sent a rose."
    assert 'name="sure"' in answer.text
    assert (await desk.decide(anna, fields | {"sure": "yes"})).status_code == 303


async def test_a_ready_answer_is_in_the_reporters_languages(desk: Desk, anna: Visitor):
    made = await desk.report(reason=ReportReason.SOMETHING_ELSE, language="fr")
    desk.console.provider.clock.forward(seconds=1)
    await desk.report(reason=ReportReason.SOMETHING_ELSE, account=f"@sara:{SERVER}", language="nl")

    await desk.decide(anna, WARN | {"ready": "1"})

    told = desk.provider.reports.status(MIA, made.id).message
    assert told.startswith("Merci de nous l’avoir dit.")
    assert "What you did takes courage." in told


async def test_bad_faith_is_said_of_one_report(desk: Desk, anna: Visitor):
    made = await desk.report(reason=ReportReason.SOMETHING_ELSE)
    await desk.report(reason=ReportReason.SOMETHING_ELSE, account=f"@sara:{SERVER}")

    await desk.decide(anna, {"rule": "no-breach", "reasons": "It was made up.", "bad_faith": made.id})

    reports = desk.provider
    page = await anna.get("/cases/1")
    assert text_of(page).count("Made to harm somebody") == 1
    assert reports.decisions.of_case(1)[0].bad_faith == (made.id,)


async def test_files_are_locked_away_one_by_one(desk: Desk, anna: Visitor, bert: Visitor):
    sent = picture(1, b"some bytes")
    await desk.report(sent, evidence=(sent.evidence,), reason=ReportReason.SOMETHING_ELSE)
    page = await anna.get("/cases/1")
    address = f"mxc://{SERVER}/abc"
    assert f'value="{address}"' in page.text

    rule = "abuse-material"
    fields = {"rule": rule, f"action.{rule}": "quarantine-medium", "reasons": "You sent it.", "medium": address}
    assert (await desk.decide(anna, fields)).status_code == 303
    assert desk.provider.decisions.of_case(1)[0].media == (address,)


async def test_undoing(desk: Desk, anna: Visitor, bert: Visitor):
    await desk.report()
    await desk.decide(anna, SUSPEND)
    await desk.act(bert, "second")

    empty = await desk.act(anna, "undo", reasons=" ")
    assert empty.status_code == 422
    assert (await desk.act(anna, "undo", reasons="That was wrong.")).status_code == 303
    assert desk.states() == ["in-force", "proposed"]
    assert (await desk.act(bert, "second")).status_code == 303
    assert desk.states() == ["undone", "in-force"]
    assert desk.case().open


async def test_refusing_keeps_what_was_written_when_somebody_was_quicker(desk: Desk, anna: Visitor, bert: Visitor):
    await desk.report()
    await desk.decide(anna, SUSPEND)
    stale = desk.case().version
    decision = desk.provider.decisions.of_case(1)[0].id
    await desk.console.member("Cai", Role.REVIEWER)
    await bert.send("/cases/1/take", {"version": stale})

    told = {"case": 1, "version": stale, "reasons": "There is no proof."}
    answer = await bert.send(f"/decisions/{decision}/refuse", told, confirm=True)

    assert answer.status_code == 409
    assert "There is no proof." in answer.text
    assert desk.states() == ["proposed"]


# Who sees what


async def test_a_partner_sees_what_waits_and_nothing_else(desk: Desk, anna: Visitor, pia: Visitor):
    await desk.report()
    await desk.report(about=f"@other:{SERVER}")
    assert (await pia.get("/cases/1")).status_code == 403
    assert (await pia.send("/cases/1/notes", {"note": "x"})).status_code == 403
    await desk.decide(anna, SUSPEND)

    waiting = await pia.get("/waiting")
    assert 'href="/cases/1"' in waiting.text
    assert "/cases/2" not in waiting.text
    page = await pia.get("/cases/1")
    assert page.status_code == 200
    assert "Related cases" not in page.text
    assert 'action="/cases/1/decide"' not in page.text
    assert 'action="/cases/1/take"' not in page.text
    assert (await pia.send("/cases/1/notes", {"note": "Looks right to me."})).status_code == 303
    assert (await desk.act(pia, "second")).status_code == 303
    assert (await pia.get("/cases/2")).status_code == 403


async def test_notes(desk: Desk, anna: Visitor, bert: Visitor):
    await desk.report()

    assert (await anna.send("/cases/1/notes", {"note": "He used this\ntrick before."})).status_code == 303
    assert "He used this\ntrick before." in (await bert.get("/cases/1")).text
    long = await anna.send("/cases/1/notes", {"note": "x" * 4001})
    assert long.status_code == 422
    assert value_of(long, "note") == "x" * 4001
    with desk.provider.database.reading() as connection:
        assert [one.entry.event for one in audit.of_case(connection, 1)] == ["report-received", "noted"]


# The queue


async def test_the_queue(desk: Desk, anna: Visitor, bert: Visitor):
    await desk.report(about=f"@danger:{SERVER}", danger_now=True)
    await desk.report(about=f"@other:{SERVER}", reason=ReportReason.SOMETHING_ELSE)
    desk.console.provider.clock.forward(seconds=20 * 60)

    page = await anna.get("/queue")
    assert page.text.index("@danger") < page.text.index("@other")
    assert "Overdue by 5 min" in text_of(page)
    assert "@other" not in (await anna.get("/queue?show=overdue")).text
    assert "@danger" not in (await anna.get("/queue?urgency=other")).text
    assert (await anna.send("/cases/2/take", {"version": 1, "from": "queue"})).status_code == 303
    assert "@other" in (await anna.get("/queue?show=mine")).text
    assert "Anna" in text_of(await bert.get("/queue?show=all"))
    assert (await anna.send("/cases/2/put-back", {"version": 2})).headers["location"] == "/queue"
    assert "Nothing waits here." in (await anna.get("/queue?show=mine")).text


async def test_taking_what_somebody_else_has_just_taken(desk: Desk, anna: Visitor, bert: Visitor):
    await desk.report()
    await anna.send("/cases/1/take", {"version": 1, "from": "queue"})

    late = await bert.send("/cases/1/take", {"version": 1, "from": "queue"})
    assert late.status_code == 409
    assert "Somebody was quicker with case 1" in late.text
    assert (await bert.send("/cases/1/take", {"version": 1})).status_code == 409
    assert desk.case().assignee == anna.person.id
    assert "Take it over from Anna" in (await bert.get("/cases/1")).text


async def test_pages_of_the_queue(desk: Desk, anna: Visitor, monkeypatch: pytest.MonkeyPatch):
    for number in range(60):
        desk.console.provider.clock.forward(seconds=1)
        await desk.report(about=f"@x{number}:{SERVER}", account=f"@r{number}:{SERVER}", evidence=())

    first = await anna.get("/queue")
    [onwards] = re.findall(r'href="(/queue\?after=[^"]+)" rel="next"', first.text)
    second = await anna.get(html.unescape(onwards))

    assert len(re.findall(r"data-open", first.text)) == 50
    assert len(re.findall(r"data-open", second.text)) == 10
    assert "To the front" in second.text
    assert 'rel="next"' not in second.text


@pytest.mark.parametrize(
    "query", ["show=x", "urgency=x", "after=x", "after=0-0-1", "after=9-0-1-1", "after=0-0-1-%D9%A3", "after="]
)
async def test_addresses_that_mean_nothing(anna: Visitor, query: str):
    assert (await anna.get(f"/queue?{query}")).status_code == (200 if query == "after" else 404)


async def test_finding(desk: Desk, anna: Visitor):
    await desk.report(about=f"@x:{SERVER}")

    assert (await anna.get(f"/find?for=@x:{SERVER}")).headers["location"] == "/cases/1"
    nothing = await anna.get("/find?for=%3Cscript%3E")
    assert nothing.status_code == 200
    assert "<script>" not in nothing.text.replace('<script src="', "")


# Hostile words


async def test_nothing_that_was_reported_is_anything_but_text(desk: Desk, anna: Visitor):
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)> https://evil.example {{ 7*7 }} \u202egnp"
    sender = '@"><svg onload=alert(1)>:x'
    messages = (
        unproven(message(1, evil, sender=sender, room='!<iframe src="//evil">:x')),
        unproven(message(2, content={"msgtype": "m.image", "body": "n" * 4000 + "\u202egpj.exe"})),
        unproven(
            message(3, content={"msgtype": "m.text", "body": "hi", "formatted_body": f"<a href='javascript:x'>{evil}"})
        ),
    )
    await desk.report(evidence=messages, text=evil, reason=ReportReason.SOMETHING_ELSE)

    for language in ("en", "fr"):
        page = await anna.get(f"/cases/1?lang={language}")
        assert page.status_code == 200
        for tag in ("<script>", "<img src=x", "<svg onload", "<iframe", "javascript:x'"):
            assert tag not in page.text
        assert "\u202e" not in page.text
        assert "U+202E" in page.text
        assert 'href="https://evil.example' not in page.text
        assert "{{ 7*7 }}" in html.unescape(page.text)
        assert "n" * 256 not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_case_of_a_thousand_messages(desk: Desk, anna: Visitor):
    for number in range(5):
        evidence = tuple(message(number * 200 + n) for n in range(200))
        await desk.report(evidence=evidence, account=f"@r{number}:{SERVER}")

    page = await anna.get("/cases/1")
    last = await anna.get("/cases/1?messages=10")

    assert len(re.findall(r'class="message( theirs)?"', page.text)) == view.MESSAGES
    assert "1 of 10" in page.text
    assert "10 of 10" in last.text
    assert (await anna.get("/cases/1?messages=99")).status_code == 200
    for wrong in ("messages=x", "messages=-1", "reports=%D9%A3", "messages=1234567"):
        assert (await anna.get(f"/cases/1?{wrong}")).status_code == 404
    only = re.findall(r"\?report=([0-9A-Z]{4}-[0-9A-Z]{4})", page.text)
    assert "1 of 2" in (await anna.get(f"/cases/1?report={only[0]}")).text
    assert (await anna.get("/cases/1?report=0000-0000")).status_code == 404


# Reported files


async def reported(desk: Desk, sent: SentFile) -> str:
    """Report a file; return where it is looked at."""
    made = await desk.report(sent, evidence=(sent.evidence,))
    return f"/media/{made.id}/{hashlib.sha256(sent.data).hexdigest()}"


async def look(visitor: Visitor, base: str, how: str = "grey") -> httpx.Response:
    token = await visitor.token()
    data = {"token": token, "look": how}
    return await visitor.http.post(f"{base}/look", data=data, headers={"accept": "application/json"})


def shown(answer: httpx.Response) -> Image.Image:
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    return Image.open(io.BytesIO(answer.content))


async def test_a_picture_is_blurred_until_somebody_asks(desk: Desk, anna: Visitor):
    base = await reported(desk, picture(1, photograph()))
    page = await anna.get("/cases/1")
    assert f'src="{base}/blurred"' in page.text
    assert len(re.findall(r"<img [^>]*src=", page.text)) == 1

    assert (shown(await anna.get(f"{base}/blurred")).mode, shown(await anna.get(f"{base}/blurred")).width) == ("L", 240)
    told = (await look(anna, base)).json()
    clear = shown(await anna.get(told["picture"]))
    assert (clear.mode, max(clear.size), told["seconds"]) == ("L", 480, LONGEST)
    large = shown(await anna.get((await look(anna, base, "colour")).json()["picture"]))
    assert (large.mode, max(large.size)) == ("RGB", 512)


async def test_a_look_is_counted_and_good_for_a_moment_here_alone(desk: Desk, anna: Visitor, bert: Visitor):
    base = await reported(desk, picture(1, photograph()))
    address = (await look(anna, base)).json()["picture"]

    assert (await bert.get(address)).status_code == 403
    assert (await anna.get(address.replace("/grey", "/colour"))).status_code == 403
    assert (await anna.get(f"{base}/grey")).status_code == 403
    assert (await anna.get(f"{base}/grey?grant=\u0663-x")).status_code == 403
    assert (await anna.get(f"{base}/large")).status_code == 404
    assert (await anna.http.post(f"{base}/look", data={"look": "grey"})).status_code == 403
    assert (await look(anna, base, "blurred")).status_code == 400
    assert (await anna.get(address)).status_code == 200
    desk.console.provider.clock.forward(seconds=31)
    assert (await anna.get(address)).status_code == 403
    assert "Looked at today: 1 pictures, of 100. Until a break: 4 min" in text_of(await anna.get("/cases/1"))
    sent = {"token": await anna.token(), "milliseconds": 7_400}
    assert (await anna.http.post("/media/seen", data=sent)).status_code == 204
    assert "Until a break: 4 min" in text_of(await anna.get("/cases/1"))


async def test_enough_is_said_kindly_and_without_a_script_too(desk: Desk, anna: Visitor):
    base = await reported(desk, picture(1, photograph()))
    token = await anna.token()
    for _ in range(15):
        assert (await look(anna, base)).status_code == 200
        desk.console.provider.clock.forward(seconds=20)
        await anna.http.post("/media/seen", data={"token": token, "milliseconds": 20_000})

    refused = await look(anna, base)
    assert refused.status_code == 403
    assert refused.json()["title"] == "Time for a break"
    assert refused.headers["retry-after"] == "900"
    page = await anna.send(f"{base}/show", {"look": "grey"})
    assert page.status_code == 403
    assert "You can look again in 15 min" in text_of(page)
    assert "a colleague goes on with it" in page.text
    assert shown(await anna.get(f"{base}/blurred"))
    desk.console.provider.clock.forward(seconds=900)
    assert (await look(anna, base)).status_code == 200


async def test_without_a_script_a_picture_fades_by_itself(desk: Desk, anna: Visitor):
    base = await reported(desk, picture(1, photograph()))

    page = await anna.send(f"{base}/show", {"look": "grey"})

    [address] = re.findall(r'class="clear fading" src="([^"]+)"', page.text)
    assert shown(await anna.get(html.unescape(address)))
    assert "Until a break: 4 min" in text_of(page)


@pytest.mark.parametrize(
    ("data", "kind", "media_type", "name"),
    [
        (b"MZ\x90" + b"x" * 500, "application/vnd.microsoft.portable-executable", "image/jpeg", "holiday.jpg"),
        (b"<html><script>alert(1)</script>", "text/html", "image/png", "a.png"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "image/svg+xml", "image/png", "a.png"),
        (b"PK\x03\x04" + b"0" * 100, "application/zip", "image/jpeg", "a.jpg"),
    ],
    ids=["program", "page", "drawing", "archive"],
)
async def test_a_file_that_lies_is_never_shown_and_said_to_lie(
    desk: Desk, anna: Visitor, data: bytes, kind: str, media_type: str, name: str
):
    base = await reported(desk, named(picture(1, data), body=name, info={"mimetype": media_type}))

    page = await anna.get("/cases/1")
    assert "It says that it is something else" in page.text
    assert kind in page.text
    assert "<img" not in page.text
    assert (await anna.get(f"{base}/blurred")).status_code == 422
    assert kind in (await anna.get(base)).text
    saved = await anna.send(f"{base}/save", {})
    assert saved.content == data
    assert saved.headers["content-type"] == "application/octet-stream"
    assert saved.headers["content-disposition"].startswith("attachment;")


async def test_a_picture_is_not_saved(desk: Desk, anna: Visitor):
    base = await reported(desk, picture(1, photograph()))

    assert (await anna.send(f"{base}/save", {})).status_code == 404
    assert "/save" not in (await anna.get(base)).text


async def test_a_bomb_is_refused_and_the_page_stands(desk: Desk, anna: Visitor):
    small = photograph(kind="PNG")
    # Its header says 60,000 x 60,000.
    bomb = small[:16] + (60_000).to_bytes(4) * 2 + small[24:]
    base = await reported(desk, picture(1, bomb))

    refused = await anna.get(f"{base}/blurred")
    assert refused.status_code == 422
    assert (await anna.get("/cases/1")).status_code == 200
    assert (await anna.get(base)).status_code == 200


async def test_whoever_may_not_see_a_case_sees_none_of_its_files(desk: Desk, anna: Visitor, pia: Visitor):
    base = await reported(desk, picture(1, photograph()))
    address = (await look(anna, base)).json()["picture"]

    for path in (base, f"{base}/blurred", address):
        assert (await pia.get(path)).status_code == 403
    assert (await look(pia, base)).status_code == 403
    assert (await anna.get(f"/media/{'0' * 64}/{'0' * 64}")).status_code == 404
    await desk.decide(anna, SUSPEND)
    assert (await pia.get(base)).status_code == 200


async def test_a_file_that_has_gone_from_the_disk(desk: Desk, anna: Visitor):
    sent = picture(1, photograph())
    base = await reported(desk, sent)
    desk.provider.reports.files.path(*base.split("/")[2:]).unlink()

    page = await anna.get("/cases/1")
    assert "This file is not there any more." in page.text
    assert (await anna.get(base)).status_code == 404


# Appeals


async def appealing(desk: Desk, anna: Visitor, bert: Visitor) -> str:
    """Suspend somebody; return the path of their link."""
    await desk.report(account=f"@annabel:{SERVER}", text="he scares me", evidence=(message(1, "the child's secret"),))
    await desk.decide(anna, SUSPEND | {"answer": "Thank you for the report."})
    await desk.act(bert, "second")
    statement = await desk.statement()
    return re.findall(r"(/appeal/[\w=-]+)", statement)[0]


@pytest.mark.parametrize(("language", "words"), [("en", "suspended"), ("fr", "suspendu")])
async def test_the_person_concerned_reads_what_was_decided_and_nothing_of_who_reported(
    desk: Desk, anna: Visitor, bert: Visitor, language: str, words: str
):
    path = await appealing(desk, anna, bert)

    page = await desk.console.browser(**{"accept-language": language}).get(path)

    assert page.status_code == 200
    assert words in page.text
    assert "You asked a child for pictures." in page.text
    for secret in ("annabel", "secret", "scares", "Anna", "Bert", "Thank you", "/cases/", "/queue"):
        assert secret not in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "same-origin"


async def test_the_person_concerned_reads_whether_it_ends_by_itself(desk: Desk, anna: Visitor, bert: Visitor):
    await desk.report(danger_now=True)
    await desk.decide(anna, LOCK)
    (path,) = set(re.findall(r"(/appeal/[\w=-]+)", await desk.statement()))
    stranger = desk.console.browser()
    assert "unless a second person confirms it" in (await stranger.get(path)).text

    await desk.act(bert, "second")

    page = (await stranger.get(path)).text
    assert "it does not end by itself any more" in page
    assert "unless a second person confirms it" not in page


async def test_an_appeal_and_its_answer(desk: Desk, anna: Visitor, bert: Visitor, pia: Visitor):
    path = await appealing(desk, anna, bert)
    stranger = desk.console.browser()
    empty = await stranger.http.post(path, data={"text": " "})
    assert empty.status_code == 422

    sent = await stranger.http.post(path, data={"text": "It was my <b>brother</b>."})
    assert (sent.status_code, sent.headers["location"]) == (303, path)
    assert "Your appeal is here" in (await stranger.get(path)).text
    assert (await stranger.http.post(path, data={"text": "Again."})).status_code == 409

    assert "/answer" not in (await anna.get("/cases/1")).text
    refused = await desk.act(bert, "answer", stands="yes", reasons="No.")
    assert refused.status_code == 403
    page = await pia.get("/cases/1")
    assert "It was my &lt;b&gt;brother&lt;/b&gt;." in page.text
    assert (await desk.act(pia, "answer", stands="perhaps", reasons="x")).status_code == 400
    assert (await desk.act(pia, "answer", stands="yes", reasons="We looked again.")).status_code == 303
    answered = await stranger.get(path)
    assert "The decision stands." in answered.text
    assert "We looked again." in answered.text
    assert "Pia" not in answered.text


async def test_an_answer_with_a_word_that_is_also_a_name(desk: Desk, anna: Visitor, bert: Visitor, pia: Visitor):
    path = await appealing(desk, anna, bert)
    await desk.console.browser().http.post(path, data={"text": "It was my brother."})
    await desk.report(account=f"@you:{SERVER}", evidence=())

    asked = await desk.act(pia, "answer", stands="yes", reasons="It was you.")

    assert asked.status_code == 422
    assert value_of(asked, "reasons") == "It was you."
    assert asked.text.count('name="sure"') == 1
    assert (await desk.act(pia, "answer", stands="yes", reasons="It was you.", sure="yes")).status_code == 303


async def test_an_appeal_that_is_right(desk: Desk, anna: Visitor, bert: Visitor, pia: Visitor):
    path = await appealing(desk, anna, bert)
    stranger = desk.console.browser()
    await stranger.http.post(path, data={"text": "It was my brother."})

    await desk.act(pia, "answer", stands="no", reasons="That is so.")
    assert "a second person looks at that now" in (await stranger.get(path)).text
    await desk.act(bert, "second")
    assert "The decision was taken back." in (await stranger.get(path)).text


async def test_links_that_are_guessed_end_soon_and_good_ones_do_not(desk: Desk, anna: Visitor, bert: Visitor):
    path = await appealing(desk, anna, bert)
    stranger = desk.console.browser()
    statuses = [(await stranger.get(f"/appeal/guess{number}")).status_code for number in range(61)]

    assert (statuses[0], statuses[-1]) == (404, 429)
    assert (await stranger.get(path)).status_code == 200
    assert all(record.route in (None, "/appeal/{token}") for record in desk.console.records[-20:])


async def test_an_appeal_from_another_page_is_refused(desk: Desk, anna: Visitor, bert: Visitor):
    path = await appealing(desk, anna, bert)

    foreign = desk.console.browser(origin="https://elsewhere.example")
    assert (await foreign.http.post(path, data={"text": "x"})).status_code == 403


# Second looks


async def test_a_second_look_shows_no_decision_until_it_is_given(
    console: ConsoleStage, desk: Desk, anna: Visitor, bert: Visitor
):
    await desk.report(reason=ReportReason.SOMETHING_ELSE, evidence=(message(1, "you are a liar"),))
    await desk.decide(anna, WARN | {"answer": "We acted on it."})
    assert "There is none for you now" in (await anna.send("/second-looks", {})).text

    begun = await bert.send("/second-looks", {})
    path = begun.headers["location"]
    page = await bert.get(path)
    assert "you are a liar" in page.text
    for secret in ("You pressed a child", "We acted on it", "In force", "Anna", "Case 1", "/cases/", "olden"):
        assert secret not in page.text
    assert (await anna.get(path)).status_code == 404
    assert (await bert.send(path, {"rule": "unwanted-contact"})).status_code == 422
    given = await bert.send(path, {"rule": "no-breach"})
    assert given.headers["location"] == path
    compared = text_of(await bert.get(path))
    assert "You decided differently" in compared
    assert "Unwanted contact with a child: Warn" in compared
    assert (await bert.send(path, {"rule": "no-breach"})).status_code == 409
    assert (await bert.get("/agreement")).status_code == 403
    assert "/agreement" not in (await bert.get("/second-looks")).text
    for role in Role.ADMIN, Role.AUDITOR:
        one = await console.member("Rob", role)
        assert "0%" in text_of(await one.get("/agreement"))
        assert 'href="/agreement"' in (await one.get("/agreement")).text


async def test_a_file_in_a_second_look_leads_back_to_it(desk: Desk, anna: Visitor, bert: Visitor):
    sent = picture(1, photograph())
    made = await desk.report(sent, evidence=(sent.evidence,), reason=ReportReason.SOMETHING_ELSE)
    await desk.decide(anna, WARN)
    path = (await bert.send("/second-looks", {})).headers["location"]

    page = await bert.get(f"/media/{made.id}/{hashlib.sha256(sent.data).hexdigest()}")
    assert f'href="{path}"' in page.text
    assert "/cases/" not in page.text


async def test_nothing_is_measured_yet(console: ConsoleStage):
    page = await (await console.member("Aud", Role.AUDITOR)).get("/agreement")

    assert page.status_code == 200
    assert "too few cases" in page.text


@pytest.mark.parametrize("number", [2**31, 2**63, 10**30])
async def test_a_number_that_no_case_has(anna: Visitor, number: int):
    assert (await anna.get(f"/cases/{number}")).status_code == 404
    assert (await anna.send(f"/cases/{number}/notes", {"note": "x"})).status_code == 404


async def test_nothing_is_hidden_behind_very_many_words(desk: Desk, anna: Visitor):
    await desk.report(evidence=(message(1, "z" * 30_000 + "or else"),))
    page = await anna.get("/cases/1")
    assert "or else" not in page.text
    found = re.search(r'only the beginning is shown\. <a href="([^"#]+)', page.text)
    assert found is not None

    assert "or else" in (await anna.get(html.unescape(found[1]))).text

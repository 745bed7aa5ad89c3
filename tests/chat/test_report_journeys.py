"""Reporting without a script: three pages, forms and redirects; and what becomes of it."""

from __future__ import annotations

import html as escaping
import re
from datetime import UTC, datetime

import pytest

from chat.conftest import Running, until
from chat.pair import ROOM, photograph
from chat.pretend import DAY, NEVER, NIGHT, REFERENCES, PretendReports, an_id
from tutela.wire.report import ReportOutcome, ReportReason, ReportState

LEO = "@leo:example.org"


def reports_of(running: Running) -> PretendReports:
    reports = running.pair.mia.reports
    assert reports is not None
    reports.clock = lambda: datetime.now(UTC)  # as the page, which is given no other here
    return reports


async def talk(running: Running) -> str:
    """Leo asks for a picture; return the page's name for that message."""
    await running.pair.leo.send_text(ROOM, "Send me a picture of you")
    await running.pair.mia.send_text(ROOM, "No")
    await running.pair.leo.send_picture(ROOM, photograph("coffee"), "cup.jpg")
    await until(lambda: len(running.pair.mias.events) == 3)
    html = (await running.mia.get("")).text
    return re.findall(r'href="report\?entry=(e[0-9a-f]{20})"', html)[0]


def fields(html: str) -> dict[str, list[str]]:
    """What the form of a report sends as it stands."""
    form = html[html.index('action="report"') :]
    found: dict[str, list[str]] = {
        name: [value] for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)
    }
    found["message"] = re.findall(r'name="message" value="([^"]+)" checked', form)
    return found


async def confirm(running: Running, entry: str = "", reason: str = "threatened", **more: str) -> dict[str, list[str]]:
    params = ({"entry": entry} if entry else {}) | {"reason": reason} | more
    return fields((await running.mia.get("report", params=params)).text)


async def test_three_taps(running: Running):
    entry = await talk(running)
    first = (await running.mia.get("report", params={"entry": entry})).text
    ways = [escaping.unescape(way) for way in re.findall(r'href="(report\?[^"]*reason=[^"]+)"', first)]
    assert [way.rpartition("=")[2] for way in ways] == [reason.value for reason in ReportReason]
    second = (await running.mia.get(ways[0])).text
    assert "Send me a picture of you" in second
    assert "Somebody reads this within 4 hours." in second
    third = await running.mia.post("report", data=fields(second) | {"text": "He asks every day."})
    assert third.url.path.endswith("/sent")
    assert "Thank you. You did the right thing." in third.text
    assert REFERENCES[0] in third.text
    assert "Leo is not told that you reported." in third.text
    [sent] = reports_of(running).sent
    assert len(sent["messages"]) == 2
    assert (sent["reason"], sent["about"], sent["text"]) == ("asked-for-pictures", LEO, "He asks every day.")
    assert (sent["files"], sent["danger_now"], sent["language"]) == ({}, False, "en")


async def test_only_others_messages_have_a_button(running: Running):
    await talk(running)
    html = (await running.mia.get("")).text
    assert html.count('href="report?entry=') == 2
    assert 'href="report"' in html


async def test_a_ticked_picture_goes_and_an_unticked_one_does_not(running: Running):
    entry = await talk(running)
    form = await confirm(running, entry)
    html = (await running.mia.get("report", params={"entry": entry, "reason": "threatened"})).text
    every = set(re.findall(r'name="message" value="([^"]+)"', html))
    [picture] = every - set(form["message"])
    assert "the people who help will see this picture" in html
    await running.mia.post("report", data=form | {"message": [*form["message"], picture]})
    [sent] = reports_of(running).sent
    assert list(sent["files"].values()) == [photograph("coffee")]


async def test_pressed_twice_it_is_one_report(running: Running):
    form = await confirm(running, await talk(running))
    pages = [await running.mia.post("report", data=form) for _ in range(3)]
    assert len({page.url for page in pages}) == 1
    assert len(reports_of(running).sent) == 1


async def test_a_new_page_is_a_new_report(running: Running):
    for _ in range(2):
        await running.mia.post("report", data=await confirm(running))
    assert len(reports_of(running).sent) == 2


async def test_danger_now(running: Running):
    reports = reports_of(running)
    form = await confirm(running, await talk(running))
    html = (await running.mia.post("report", data=form | {"danger": "yes"})).text
    assert reports.sent[0]["danger_now"] is True
    assert 'href="tel:' in html
    assert "Somebody reads this within 15 minutes." in html


@pytest.mark.parametrize(
    ("accepted", "number", "where"),
    [("fr-FR", "112", ""), ("en-GB", "999", ""), ("en-US", "911", ""), ("en", "112", "En Europe|In Europe"),
     ("de-DE", "112", ""), ("fr-CA", "911", ""), ("pt-BR", "190", ""), ("en-AU", "000", ""),
     ("sr-RS", "112", "In Europe"), ("fr-HT", "112", "En Europe")],
)  # fmt: skip
async def test_the_emergency_number_is_that_of_the_country_and_never_a_guess(
    running: Running, accepted: str, number: str, where: str
):
    params = {"reason": "threatened"}
    html = (await running.mia.get("report", params=params, headers={"Accept-Language": accepted})).text
    assert f'class="button call" href="tel:{number}"' in html
    assert bool(re.search(r"(En|In) Europe", html)) == bool(where)


async def test_at_night_it_is_said_and_help_is_named(running: Running):
    reports_of(running).times = NIGHT
    entry = await talk(running)
    html = (await running.mia.get("report", params={"entry": entry, "reason": "threatened"})).text
    assert re.search(r"Nobody reads this before (tomorrow at )?\d\d:\d\d\.", html)
    assert "If you need to talk now" in html
    assert 'href="tel:116111"' in html  # the reader's country is not known
    html = (await running.mia.post("report", data=fields(html))).text
    assert re.search(r"Nobody reads this before (tomorrow at )?\d\d:\d\d\.", html)


@pytest.mark.parametrize("language", ["en-GB", "fr-FR"])
async def test_where_nobody_reads_it_is_said_on_every_page_and_help_is_there(running: Running, language: str):
    reports_of(running).times = NEVER
    entry = await talk(running)
    said = "Nobody is there to read reports right now" if language == "en-GB" else "Personne ne peut lire"
    number = "999" if language == "en-GB" else "112"
    headers = {"Accept-Language": language}
    params = {"entry": entry, "reason": "threatened"}
    confirm_ = (await running.mia.get("report", params=params, headers=headers)).text
    sent = (await running.mia.post("report", data=fields(confirm_) | {"danger": "yes"}, headers=headers)).text
    mine = (await running.mia.get("reports", headers=headers)).text
    assert reports_of(running).sent
    for html in confirm_, sent, mine:
        assert said in html
        assert "15 minutes" not in html
        assert re.search(r"Somebody reads|Quelqu’un (le|la) lira", html) is None
        assert f'class="button call" href="tel:{number}"' in html
        assert html.count('class="line-links"') == 1
    # Somebody came: what is told now counts.
    reports_of(running).times = DAY
    assert "Somebody reads this within 15 minutes." in (await running.mia.get("reports")).text


@pytest.mark.parametrize("full", [False, True])
async def test_without_a_provider_it_waits_and_says_so(running: Running, full: bool):
    reports = reports_of(running)
    reports.away, reports.full = True, full
    form = await confirm(running, await talk(running))
    html = (await running.mia.post("report", data=form)).text
    assert "It waits on this device" in html
    assert ("no room left" in html) == full
    assert "It waits on this device" in (await running.mia.get("reports")).text


async def test_too_much_for_one_report_keeps_what_was_filled_in(running: Running):
    form = await confirm(running, await talk(running))
    long = "x" * 4001
    answer = await running.mia.post(
        "report", data=form | {"text": long, "danger": "yes", "message": form["message"][:1]}
    )
    assert answer.status_code == 422
    assert "too much for one report" in answer.text
    again = fields(answer.text)
    assert (again["id"], again["message"], again["reason"]) == (form["id"], form["message"][:1], ["threatened"])
    assert long in answer.text
    assert re.search(r'name="danger" value="yes" role="switch" checked', answer.text)
    assert reports_of(running).sent == []


async def test_what_became_of_it(running: Running):
    reports = reports_of(running)
    await running.mia.post("report", data=await confirm(running, await talk(running)))
    report_id = fields((await running.mia.get("report", params={"reason": "threatened"})).text)["id"][0]
    [own] = await reports.mine()
    assert own.id != report_id
    html = (await running.mia.get("reports")).text
    assert "Somebody threatens to share my picture" in html
    assert "About Leo" in html
    assert "It has arrived" in html
    reports.told(own.id, ReportState.IN_REVIEW)
    assert "Somebody is looking at it" in (await running.mia.get("reports")).text
    reports.told(own.id, ReportState.DECIDED, ReportOutcome.ACTED, "You were <brave>. Ana")
    html = (await running.mia.get("reports")).text
    assert "We did something about it" in html
    assert "You were &lt;brave&gt;. Ana" in html


async def test_adding_to_a_report(running: Running):
    reports = reports_of(running)
    await running.mia.post("report", data=await confirm(running))
    html = (await running.mia.get("reports")).text
    form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', html))
    for _ in range(2):
        page = await running.mia.post("add", data=form | {"text": " It happened again. ", "danger": "yes"})
    assert page.url.path.endswith("/reports")
    assert "Thank you. It was added." in page.text
    assert "What you added: 1" in page.text
    assert reports.added == [(form["report"], "It happened again.", True)]


@pytest.mark.parametrize("text", ["", "   ", "x" * 4001])
async def test_what_cannot_be_added_is_said(running: Running, text: str):
    await running.mia.post("report", data=await confirm(running))
    form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', (await running.mia.get("reports")).text))
    page = await running.mia.post("add", data=form | {"text": text})
    assert "This could not be added." in page.text
    assert reports_of(running).added == []


async def test_in_french(running: Running):
    entry = await talk(running)
    french = {"Accept-Language": "fr-FR"}
    html = (await running.mia.get("report", params={"entry": entry}, headers=french)).text
    assert "Que s’est-il passé" in html
    assert f'href="?entry={entry}&amp;lang=en"' in html
    html = (await running.mia.get("report", params={"entry": entry, "reason": "threatened"}, headers=french)).text
    assert "On menace de diffuser ma photo" in html
    assert f'href="?reason=threatened&amp;entry={entry}&amp;lang=en"' in html
    answer = await running.mia.post("report", data=fields(html), headers=french)
    assert "Merci. Tu as bien fait." in answer.text
    assert reports_of(running).sent[0]["language"] == "fr"
    assert "Ce que j’ai signalé" in (await running.mia.get("reports", headers=french)).text


# What does not fit


@pytest.mark.parametrize(
    ("change", "status"),
    [({"reason": ["because"]}, 404), ({"reason": []}, 404), ({"id": ["short"]}, 400), ({"id": ["AB" * 32]}, 400)],
)
async def test_a_form_that_the_page_did_not_make(running: Running, change: dict[str, list[str]], status: int):
    form = await confirm(running, await talk(running))
    assert (await running.mia.post("report", data=form | change)).status_code == status
    assert reports_of(running).sent == []


async def test_ways_that_are_not_there(running: Running):
    assert (await running.mia.get("report", params={"reason": "because"})).status_code == 404
    assert (await running.mia.get("sent")).status_code == 404
    assert (await running.mia.get("sent", params={"report": an_id("nobody's")})).status_code == 404
    assert (await running.mia.get("add")).status_code == 405
    form = {"report": an_id("nobody's"), "id": an_id("a"), "text": "more"}
    assert (await running.mia.post("add", data=form)).status_code == 404
    assert (await running.mia.post("add", data=form | {"id": "1"})).status_code == 400


async def test_messages_that_are_not_there_any_more_are_left_out(running: Running):
    form = await confirm(running, await talk(running))
    await running.mia.post("report", data=form | {"message": ["e" + "0" * 20, "<script>"], "entry": "nowhere"})
    [sent] = reports_of(running).sent
    assert (sent["messages"], sent["about"]) == ([], LEO)


async def test_without_anybody_to_report_to_nothing_of_it_is_there(running: Running):
    await talk(running)
    running.pair.mia.reports = None
    assert 'href="report' not in (await running.mia.get("")).text
    assert 'href="report' not in (await running.mia.get("help")).text
    for path in ("report", "report?reason=threatened", "sent", "reports"):
        assert (await running.mia.get(path)).status_code == 404
    assert (await running.mia.post("report", data={})).status_code == 404


async def test_another_page_cannot_report(running: Running):
    form = await confirm(running, await talk(running))
    answer = await running.mia.post("report", data=form, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert reports_of(running).sent == []


# The other side


async def test_the_other_side_sees_nothing_of_it(running: Running):
    entry = await talk(running)
    before, events = (await running.leo.get("")).text, running.pair.leos.events
    form = await confirm(running, entry)
    done = await running.mia.post("report", data=form | {"text": "He asks every day."})
    report_id = done.url.params["report"]
    assert (await running.leo.get("")).text == before
    assert running.pair.leos.events == events
    assert running.pair.leo._queue.empty()
    assert (await running.leo.get("sent", params={"report": report_id})).status_code == 404
    html = (await running.leo.get("reports")).text
    for secret in (REFERENCES[0], report_id, "every day", "threatens"):
        assert secret not in html

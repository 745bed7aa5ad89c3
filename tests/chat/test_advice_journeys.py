"""What the user is told about a conversation and what they can do: without a script, and only on their own page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.conftest import Running, until
from chat.pair import ROOM
from signals.conversation.reading import reader
from tutela.chat.advising import is_card
from tutela.chat.conversation import entry_id
from tutela.device.conversation import Advice, AgeGroup, ConversationGuard, Focus, Limits, Pause, Settings
from tutela.device.conversation.advice import Choice
from tutela.device.profile import Profile
from tutela.integrations.matrix.errors import Unreachable
from tutela.integrations.matrix.rooms import Room
from tutela.signals.conversation.decision import Level

MIA, LEO, NORA = "@mia:example.org", "@leo:example.org", "@nora:example.org"
REASON = "You were asked to keep something secret."


def advice(level: Level, focus: Focus = Focus.GENERAL, evidence: tuple[str, ...] = ()) -> Advice:
    return Advice(level, focus, AgeGroup.TEEN, (), (REASON,), evidence)


async def advised(running: Running, level: Level, focus: Focus = Focus.GENERAL, evidence: tuple[str, ...] = ()) -> str:
    """Mia's device tells her something; return her page."""
    before = len(running.pair.mias.events), running.pair.mias.advising.card
    running.pair.mia.advise(advice(level, focus, evidence))
    await until(lambda: (len(running.pair.mias.events), running.pair.mias.advising.card) != before)
    return (await running.mia.get("")).text


@pytest.fixture
def guarded(running: Running, tmp_path: Path) -> Iterator[ConversationGuard]:
    with Profile(tmp_path / "profile", bytes(32)) as profile:
        guard = ConversationGuard(profile, reader=reader(), limits=lambda _: Limits(at_most=Level.NUDGE))
        running.pair.mia.conversations = guard
        yield guard


async def test_a_tip_is_a_quiet_line_between_the_messages(running: Running):
    page = await advised(running, Level.TIP)
    assert "You decide what you share, and with whom." in page
    assert '<div class="advice' not in page
    assert not is_card(running.pair.mias.events[-1])


async def test_a_nudge_has_reasons_and_every_choice_in_a_polite_region(running: Running):
    page = await advised(running, Level.NUDGE)
    region = page[page.index('id="nudge"') : page.index('id="choice"')]
    assert 'role="status"' in region
    assert REASON in region
    for href in ("tell", "leave", "report?advice=yes", "help?for=general"):
        assert f'href="{href}"' in region
    for action in ("block", "fine"):
        assert f'action="{action}"' in region
    assert 'role="alert"></div>' in page[page.index('id="warning"') :][:80]


async def test_a_warning_has_help_first_in_an_alert(running: Running):
    page = await advised(running, Level.WARNING, Focus.THREAT)
    region = page[page.index('id="warning"') : page.index('id="nudge"')]
    assert region.count('role="alert"') == 1
    assert "status" not in region
    assert region.index("help?for=threat") < region.index('href="tell"') < region.index(REASON)


async def test_the_other_page_shows_nothing_of_it(running: Running):
    await running.mia.post("text", data={"text": "Hello"})
    await until(lambda: len(running.pair.leos.events) == 1)
    before = (await running.leo.get("")).text
    for level in (Level.TIP, Level.NUDGE, Level.WARNING):
        await advised(running, level)
    await running.mia.post("block")
    assert (await running.leo.get("")).text == before


async def test_a_milder_card_does_not_take_the_place_of_a_graver_one(running: Running):
    await advised(running, Level.WARNING)
    running.pair.mias.take(
        running.pair.mias.advising.card.__class__(
            **vars(running.pair.mias.advising.card) | {"event_id": "", "advice": advice(Level.NUDGE)}
        )
    )
    assert running.pair.mias.advising.card.advice.level is Level.WARNING


async def test_it_is_fine_puts_this_card_away_and_no_newer_one(running: Running):
    old = re.search(r'name="card" value="(\w+)"', await advised(running, Level.NUDGE))
    assert old
    await advised(running, Level.WARNING)
    assert '<div class="advice warning' in (await running.mia.post("fine", data={"card": old[1]})).text
    new = running.pair.mias.advising.card_id
    assert '<div class="advice' not in (await running.mia.post("fine", data={"card": new})).text


async def test_telling_somebody_is_the_users_own_message_in_their_own_chat(running: Running):
    running.pair.mia.rooms = {
        room.room_id: room
        for room in (
            Room(ROOM, encrypted=True, joined={MIA, LEO}),
            Room("!nora", encrypted=True, joined={MIA, NORA}),
            Room("!plain", joined={MIA, NORA}, name="Not encrypted"),
            Room("!both", encrypted=True, joined={MIA, LEO, NORA}, name="With Leo"),
        )
    }
    await advised(running, Level.NUDGE)
    page = (await running.mia.get("tell")).text
    assert "Can I talk to you?" in page
    assert page.count('name="chat"') == 1
    assert "Nora" in page
    assert running.pair.mia.log == []
    chat = re.search(r'name="chat" value="(\w+)"', page)
    assert chat
    page = (await running.mia.post("tell", data={"chat": chat[1], "text": "Are you there?"})).text
    assert running.pair.mia.log == ["send to !nora: Are you there?"]
    assert "Sent to Nora." in page


async def test_words_that_could_not_be_sent_to_a_trusted_person_stay(running: Running):
    running.pair.mia.rooms = {"!nora": Room("!nora", encrypted=True, joined={MIA, NORA})}
    await advised(running, Level.NUDGE)
    chat = running.pair.mias.advising.chats()[0].id
    running.pair.mia.failure = Unreachable("no answer")
    answer = await running.mia.post("tell", data={"chat": chat, "text": "My own words"})
    assert answer.status_code == 422
    assert "My own words" in answer.text
    assert 'role="alert"' in answer.text
    running.pair.mia.failure = None
    assert (await running.mia.post("tell", data={"chat": "unknown", "text": "x"})).status_code == 422
    assert running.pair.mia.log == []


async def test_without_another_chat_there_are_words_to_say(running: Running):
    page = (await running.mia.get("tell")).text
    assert "Can I talk to you?" in page
    assert "<form" not in page


async def test_blocking_and_undoing_it(running: Running):
    await running.mia.post("block")
    assert running.pair.mia.log == []
    await advised(running, Level.NUDGE)
    assert "You blocked Leo." in (await running.mia.post("block")).text
    assert "You blocked" not in (await running.mia.post("unblock")).text
    assert running.pair.mia.log == [f"ignore {LEO}", f"heed {LEO}"]


async def test_leaving_asks_once_more(running: Running):
    await advised(running, Level.NUDGE)
    page = (await running.mia.get("leave")).text
    assert "Leo sees that you left" in page
    assert running.pair.mia.log == []
    page = (await running.mia.post("leave")).text
    assert running.pair.mia.log == [f"leave {ROOM} forget=True"]
    assert "You left this chat." in page
    assert 'class="write" data-live="attributes" inert' in page


async def test_a_failure_leaves_everything_as_it_was(running: Running):
    await advised(running, Level.NUDGE)
    running.pair.mia.failure = Unreachable("no answer")
    for path in ("block", "leave"):
        page = (await running.mia.post(path)).text
        assert "This did not work just now." in page
        assert '<div class="advice nudge' in page


async def test_a_report_from_a_card_has_its_evidence_ticked(running: Running):
    for number in range(30):
        await running.pair.leo.send_text(ROOM, f"message {number}")
    await until(lambda: len(running.pair.mias.events) == 30)
    events = running.pair.mias.events
    chosen = (events[1], events[12], events[20])
    page = await advised(running, Level.NUDGE, evidence=tuple(event.event_id for event in chosen))
    reasons = (await running.mia.get("report?advice=yes")).text
    assert "report?advice=yes&amp;reason=threatened" in reasons
    page = (await running.mia.get("report?advice=yes&reason=threatened")).text
    ticked = re.findall(r'value="(e\w+)" checked', page)
    assert {entry_id(event.event_id) for event in chosen} <= set(ticked)
    assert entry_id(events[5].event_id) not in ticked


@pytest.mark.parametrize("focus", ["threat", "self-harm", "general", "%3Cscript%3E"])
async def test_help_for_what_happened(running: Running, focus: str):
    page = (await running.browser(0, {"Accept-Language": "fr-FR"}).get(f"help?for={focus}")).text
    first = page[page.index('class="line"') :][:200]
    assert ("3114" if focus == "self-harm" else "3018") in first
    assert "<script>" not in page


async def test_the_country_set_on_the_device_goes_before_the_browsers(running: Running, guarded: ConversationGuard):
    """Many browsers name a language and no country."""
    for accepted in ("fr", "en-US"):
        headers = {"Accept-Language": accepted}
        await running.mia.post("settings", data={"group": "teen", "place": ""})
        before = (await running.mia.get("help", headers=headers)).text
        await running.mia.post("settings", data={"group": "teen", "place": "CH"})
        page = (await running.mia.get("help", headers=headers)).text
        assert "147" not in before[: before.index("<details")]
        assert 'href="tel:147"' in page[: page.index("<details")]
    assert guarded.settings.jurisdiction == "CH"


async def test_a_pause_keeps_the_message_until_its_sender_decides(running: Running):
    running.pair.mia.pause = Pause(threat=False, many=True)
    page = (await running.mia.post("text", data={"text": "Come <b>on</b>"})).text
    assert "Before you send this" in page
    assert "Come &lt;b&gt;on&lt;/b&gt;" in page
    assert running.pair.mias.events == ()
    paused = re.search(r'name="paused" value="([^"]+)"', page)
    assert paused
    await running.mia.post("anyway", data={"paused": "another"})
    assert running.pair.mias.advising.paused is not None
    page = (await running.mia.post("keep", data={"paused": paused[1]})).text
    assert "Before you send this" not in page
    assert "Come &lt;b&gt;on&lt;/b&gt;</textarea>" in page
    page = (await running.mia.post("text", data={"text": "Come on"})).text
    paused = re.search(r'name="paused" value="([^"]+)"', page)
    assert paused
    await running.mia.post("anyway", data={"paused": paused[1]})
    await until(lambda: len(running.pair.leos.events) == 1)
    assert "Before you send this" not in (await running.mia.get("")).text


async def test_the_settings_offer_what_the_policy_allows(running: Running, guarded: ConversationGuard):
    page = (await running.mia.get("settings")).text
    assert "are not told" in page
    assert 'value="nudge"' in page
    for never in ('value="quiet"', 'value="warning"', 'name="pauses"'):
        assert never not in page
    page = (await running.mia.post("settings", data={"group": "teen", "level": "nudge", "place": "FR"})).text
    assert "Saved." in page
    assert guarded.settings == Settings(AgeGroup.TEEN, Level.NUDGE, jurisdiction="FR")
    page = (await running.mia.post("settings", data={"group": "adult", "level": "nudge"})).text
    assert 'value="quiet"' in page
    assert 'name="pauses"' in page
    assert guarded.settings == Settings(AgeGroup.ADULT)
    await running.mia.post("settings", data={"group": "adult", "level": "quiet"})
    assert guarded.lowest is None
    assert not guarded.settings.speaks_for_sender


@pytest.mark.parametrize("wrong", [{"group": "dog"}, {"level": "loud"}])
async def test_other_settings_are_refused(running: Running, guarded: ConversationGuard, wrong: dict[str, str]):
    assert (await running.mia.post("settings", data=wrong)).status_code == 400
    assert guarded.settings == Settings()


async def test_without_the_guard_there_are_no_settings(running: Running):
    assert (await running.mia.get("settings")).status_code == 404
    assert 'href="settings"' not in (await running.mia.get("help")).text


def test_every_choice_is_on_the_card():
    assert set(Choice) == {Choice.FINE, Choice.TELL, Choice.BLOCK, Choice.LEAVE, Choice.REPORT, Choice.HELP}

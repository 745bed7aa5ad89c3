"""The third pane says what was seen, live, and never claims that nothing was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from chat.conftest import Running
from chat.pair import START
from tutela.chat import Observation, Observations, Party
from tutela.chat import observer as saw


def seen(seconds: int = 0, **more) -> Observation:
    facts = {"party": Party.PROVIDER, "account": "@mia", "what": saw.BLINDED_BATCH, "bytes": 9219, **more}
    return Observation(time=START + timedelta(seconds=seconds), **facts)


async def test_lines_in_both_languages(running: Running):
    running.seen.add(seen())
    running.seen.add(seen(1, party=Party.HOMESERVER, what=saw.ROOM_KEY, values={"other": "@leo"}, bytes=None))
    html = (await running.mia.get(running.links.side_by_side)).text
    assert "a blinded batch of fixed size, from @mia" in html
    assert "9,219 bytes" in html
    assert "an encrypted key for @leo&#39;s device, from @mia" in html
    html = (await running.mia.get(running.links.side_by_side + "?lang=fr")).text
    assert "un lot masqué de taille fixe, de @mia" in html
    assert "9\u202f219 octets" in html


async def test_the_pane_never_says_nothing(running: Running):
    for language in ("en", "fr"):
        html = (await running.mia.get(f"{running.links.side_by_side}?lang={language}")).text.lower()
        assert not any(word in html for word in ("nothing", "rien ", "no one", "personne n"))
    assert "hint" in (await running.mia.get(f"{running.links.side_by_side}?lang=en")).text


async def test_equal_lines_have_ids_of_their_own(running: Running):
    for _ in range(3):
        running.seen.add(seen())
    html = (await running.mia.get(running.links.side_by_side)).text
    ids = [part.partition('"')[0] for part in html.split('<li id="')[1:]]
    assert len(ids) == len(set(ids)) == 3


async def test_accounts_are_short_or_absent(running: Running):
    running.seen.add(seen(account="@mia:example.org:8008"))
    running.seen.add(seen(1, account="", what=saw.SIGN_IN))
    html = (await running.mia.get(running.links.side_by_side)).text
    assert "a blinded batch of fixed size, from @mia</p>" in html
    assert "<p>a sign-in</p>" in html


async def test_sign_ins_in_a_row_are_one_line(running: Running):
    for second in range(6):
        running.seen.add(seen(second, account="", what=saw.SIGN_IN))
    running.seen.add(seen(7, account="@mia:example.org", what=saw.SIGN_IN))
    html = (await running.mia.get(running.links.side_by_side)).text
    assert "<p>a sign-in, 6 times</p>" in html
    assert "<p>a sign-in, from @mia</p>" in html
    french = (await running.mia.get(running.links.side_by_side + "?lang=fr")).text
    assert "une connexion, 6 fois" in french


async def test_an_account_is_text(running: Running):
    running.seen.add(seen(account="<b>@mia</b>"))
    assert "<b>@mia" not in (await running.mia.get(running.links.side_by_side)).text


def test_only_the_newest_lines_are_kept():
    lines = Observations(keep=3)
    for second in range(5):
        lines.add(seen(second))
    assert [line.time.second for line in lines.observations()] == [13, 14, 15]


def test_lines_are_shown_in_the_order_of_their_times():
    told = Observations()
    for second in (3, 1, 2):
        told.add(Observation(datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC), Party.PROVIDER, "@mia", saw.BLINDED_BATCH))
    assert [line.time.second for line in told.observations()] == [1, 2, 3]

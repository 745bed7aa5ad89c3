"""The page without its script: forms, redirects and reloads, as a plain browser does them."""

from __future__ import annotations

import re

import pytest

from chat.conftest import Running, until
from chat.pair import ROOM, photograph, verdict
from tutela.chat.helplines import countries
from tutela.device.verdict import Outcome
from tutela.integrations.matrix.errors import Unreachable
from tutela.wire.manifest import Action


def judge(outcome: Outcome, action: Action | None = None):
    return lambda _picture, direction: verdict(direction, outcome, action)


async def choose(running: Running) -> str:
    """Choose a picture as Mia; return its id as the page's forms carry it."""
    page = await running.mia.post("choose", files={"picture": ("cat.jpg", photograph("chelsea"))})
    found = re.search(r'name="chosen" value="([^"]+)"', page.text)
    assert found
    return found[1]


def addresses(html: str, folder: str) -> list[str]:
    return re.findall(rf'src="({folder}/[^"]+)"', html)


async def test_text_reaches_the_other_window(running: Running):
    page = await running.mia.post("text", data={"text": "Hello, Leo"})
    assert page.url == running.links.windows[0]
    await until(lambda: len(running.pair.leos.events) == 1)
    html = (await running.leo.get("")).text
    assert "Hello, Leo" in html
    assert '<p class="who">Mia</p>' in html


async def test_what_people_write_is_text(running: Running):
    await running.mia.post("text", data={"text": "<script>alert(1)</script>{{ t }}&amp;"})
    await until(lambda: len(running.pair.leos.events) == 1)
    html = (await running.leo.get("")).text
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ t }}&amp;amp;" in html


async def test_a_picture_is_previewed_sent_and_received(running: Running):
    chosen = await choose(running)
    preview = await running.mia.get(f"chosen/{chosen}")
    assert preview.content == photograph("chelsea")
    page = await running.mia.post("send", data={"chosen": chosen})
    await until(lambda: len(running.pair.leos.events) == 1)
    page = await running.leo.get("")
    (address,) = addresses(page.text, "picture")
    picture = await running.leo.get(address)
    assert picture.content == photograph("chelsea")
    assert picture.headers["Content-Type"] == "image/jpeg"
    assert picture.headers["Cache-Control"] == "no-store"
    assert "sandbox" in picture.headers["Content-Security-Policy"]
    assert (await running.mia.get(f"chosen/{chosen}")).status_code == 404


async def test_the_stop_screen(running: Running):
    running.pair.mia.judge = judge(Outcome.STOP)
    html = (await running.mia.post("send", data={"chosen": await choose(running)})).text
    assert 'role="dialog"' in html
    assert "This picture was not sent" in html
    assert '<div id="page" class="page" data-live="attributes" inert>' in html
    for offer in ("Choose another picture", "Talk to someone", "Get help", "Back to the conversation"):
        assert offer in html
    assert "anyway" not in html
    html = (await running.mia.post("discard", data={"chosen": running.pair.mias.chosen.id})).text
    assert 'role="dialog"' not in html
    assert running.pair.leos.events == ()


async def test_the_question_and_its_two_answers(running: Running):
    running.pair.mia.judge = judge(Outcome.WARN)
    for answer, arrived in (("discard", 0), ("send", 1)):
        chosen = await choose(running)
        html = (await running.mia.post("send", data={"chosen": chosen})).text
        assert "Do you want to send this picture?" in html
        assert html.index("Don’t send it") < html.index("Send it anyway")
        html = (await running.mia.post(answer, data={"chosen": chosen, "confirm": "warn listed attested"})).text
        assert 'role="dialog"' not in html
        await until(lambda: len(running.pair.leos.events) == arrived)  # noqa: B023


async def test_a_picture_that_could_not_be_checked_can_be_tried_again(running: Running):
    running.pair.mia.judge = judge(Outcome.UNCHECKED, Action.STOP)
    chosen = await choose(running)
    html = (await running.mia.post("send", data={"chosen": chosen})).text
    assert "This picture could not be checked just now" in html
    assert "Try again" in html
    assert "organisations" not in html
    running.pair.mia.judge = judge(Outcome.ALLOW)
    await running.mia.post("send", data={"chosen": chosen})
    await until(lambda: len(running.pair.leos.events) == 1)


async def receive(running: Running, outcome: Outcome, action: Action | None = None) -> str:
    running.pair.mia.judge = judge(outcome, action)
    await running.pair.leo.send_picture(ROOM, photograph("coffee"), "cup.jpg")
    await until(lambda: len(running.pair.mias.events) == 1)
    return (await running.mia.get("")).text


async def test_a_received_stop_is_covered_and_has_no_address(running: Running):
    html = await receive(running, Outcome.STOP)
    assert "This picture is hidden" in html
    assert addresses(html, "picture") == addresses(html, "blur") == []
    assert "anyway" not in html
    (entry,) = re.findall(r'id="(e[0-9a-f]{20})"', html)
    await running.mia.post(f"show/{entry}")
    for folder in ("picture", "blur"):
        answer = await running.mia.get(f"{folder}/{entry}")
        assert (answer.status_code, answer.content) == (404, b"")


async def test_a_received_warn_shows_colours_until_the_user_asks(running: Running):
    html = await receive(running, Outcome.WARN)
    assert addresses(html, "picture") == []
    (address,) = addresses(html, "blur")
    blur = await running.mia.get(address)
    assert blur.headers["Content-Type"] == "image/png"
    assert len(blur.content) < 400
    entry = address.partition("/")[2]
    assert (await running.mia.get(f"picture/{entry}")).status_code == 404
    html = (await running.mia.post(f"show/{entry}")).text
    assert addresses(html, "picture") == [f"picture/{entry}"]
    assert (await running.mia.get(f"picture/{entry}")).content == photograph("coffee")
    html = (await running.mia.post(f"hide/{entry}")).text
    assert addresses(html, "picture") == []
    assert (await running.mia.get(f"picture/{entry}")).status_code == 404


async def test_a_picture_that_passed_unchecked_says_so(running: Running):
    html = await receive(running, Outcome.UNCHECKED, Action.ALLOW)
    assert len(addresses(html, "picture")) == 1
    assert "This picture could not be checked." in html


async def test_the_others_window_cannot_fetch_what_is_hidden_here(running: Running):
    html = await receive(running, Outcome.WARN)
    (address,) = addresses(html, "blur")
    entry = address.partition("/")[2]
    assert (await running.leo.get(f"blur/{entry}")).status_code == 404


async def test_a_changed_identity_is_told_and_can_be_accepted(running: Running):
    running.pair.mia.identity_changed("@leo:example.org")
    await until(lambda: len(running.pair.mias.events) == 1)
    html = (await running.mia.get("")).text
    assert "Is it still Leo?" in html
    assert "m6Vq PZ1x" in html
    (address,) = re.findall(r'action="(accept/[^"]+)"', html)
    html = (await running.mia.post(address)).text
    assert "accept/" not in html
    assert running.pair.mia.log == ["accept @leo:example.org m6Vq PZ1x 8TtE nWc3"]


async def test_a_failure_is_said_where_one_writes(running: Running):
    running.pair.mia.failure = Unreachable("no answer")
    html = (await running.mia.post("text", data={"text": "hi"})).text
    assert 'role="alert"' in html
    assert "could not be sent just now" in html
    running.pair.mia.failure = None
    assert "could not be sent" not in (await running.mia.post("text", data={"text": "hi"})).text


@pytest.mark.parametrize(
    ("accepted", "asked", "language"),
    [
        ("fr-CA,fr;q=0.9,en;q=0.5", "", "fr"),
        ("de-DE,de;q=0.9,fr;q=0.5", "", "fr"),
        ("de", "", "en"),
        ("", "", "en"),
        ("en", "?lang=fr", "fr"),
        ("fr", "?lang=en", "en"),
        ("fr", "?lang=de", "fr"),
        ("en", "?lang=../../etc", "en"),
        ("x" * 5000, "", "en"),
    ],
)
async def test_the_language_of_the_page(running: Running, accepted: str, asked: str, language: str):
    for path in ("", "help", running.links.side_by_side):
        html = (await running.mia.get(f"{path}{asked}", headers={"Accept-Language": accepted})).text
        assert f'<html lang="{language}">' in html


async def test_a_chosen_language_is_remembered(running: Running):
    answer = await running.mia.get("?lang=fr")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert '<html lang="fr">' in (await running.mia.get("", headers={"Accept-Language": "en"})).text
    assert '<html lang="fr">' in (await running.mia.get("nothing")).text


async def test_help_shows_the_readers_country_first(running: Running):
    html = (await running.mia.get("help", headers={"Accept-Language": "en-US"})).text
    assert 'href="tel:988"' in html
    assert html.index("NCMEC") < html.index("Childline")
    html = (await running.mia.get("help", headers={"Accept-Language": "fr-FR"})).text
    assert html.index("3018") < html.index("Childline")
    html = (await running.mia.get("help", headers={"Accept-Language": "es-Latn-US,es"})).text
    assert html.index("NCMEC") < html.index("116 111")


@pytest.mark.parametrize(
    ("accepted", "shown"),
    [
        ("de-DE,de;q=0.9,en;q=0.5", ["Nummer gegen Kummer", "jugendschutz.net"]),
        ("fr-BE", ["Écoute-Enfants (français)", "Awel (Nederlands)"]),
        ("en-IN", ["Child Helpline 1098"]),
        ("pt-BR", ["Disque 100", "CVV 188", "Helpline – SaferNet Brasil"]),
        ("en-NG", ["Child Helpline International", "INHOPE"]),
        ("en", ["116 111"]),
    ],
)
async def test_help_shows_the_lines_of_one_country_and_folds_all_others_away(
    running: Running, accepted: str, shown: list[str]
):
    html = (await running.mia.get("help", headers={"Accept-Language": accepted})).text
    assert re.findall(r"<h3>([^<]+)</h3>", html[: html.index("<details")]) == shown
    elsewhere = html[html.index('id="elsewhere"') :]
    before, folded = elsewhere.split('<details class="countries">')
    assert 1 <= before.count("<summary>") <= 2
    names = re.findall(r'<details class="country"><summary>([^<]+)</summary>', folded)
    assert len(names) + before.count("<summary>") + 1 == len(countries())
    assert names[0] in {"Argentina", "Afrique du Sud"}
    assert names[-1] == "Zimbabwe"


async def test_a_line_without_a_website_has_only_its_number(running: Running):
    html = (await running.mia.get("help", headers={"Accept-Language": "hu-HU"})).text
    line = html[html.index("<h3>Kék Vonal</h3>") :]
    line = line[: line.index("</li>")]
    assert 'href="tel:116111"' in line
    assert "http" not in line


@pytest.mark.parametrize("accepted", ["fr", "en", "sr-RS,sr;q=0.9,en;q=0.5", ""])
async def test_help_favours_no_country_where_the_readers_is_not_known(running: Running, accepted: str):
    html = (await running.mia.get("help", headers={"Accept-Language": accepted})).text
    assert all(html.index("116 111") < html.index(line) for line in ("3018", "Childline", "NCMEC"))


async def test_lost_links_speak_kindly(running: Running):
    answer = await running.mia.get(running.at("/w/unknown/"))
    assert answer.status_code == 404
    assert "Ask for a new link" in answer.text


async def test_ways_that_are_not_there(running: Running):
    for path in ("text", "choose", "send", "discard"):
        assert (await running.mia.get(path)).status_code == 405
    assert (await running.mia.post("help")).status_code == 405


async def test_the_help_page_speaks_of_dates_and_sources_as_people_do(running: Running):
    for language, said in (("en", "We looked these numbers up on 24 November 2026."), ("fr", "le 24 novembre 2026.")):
        html = (await running.mia.get("help", params={"lang": language})).text
        assert said in html
        assert ".toml" not in html
        assert "2026-" not in html

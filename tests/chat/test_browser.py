"""The page in a real browser: every screen, by keyboard, without a script, and under attack from other pages."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from playwright.async_api import Error as PlaywrightError

from chat.conftest import Running, until
from chat.gallery import DECISION, SCENES, Gallery, serve_gallery
from chat.pair import ROOM, photograph, verdict
from chat.test_observer import seen
from harness.browser import accessibility_violations
from tutela.device.verdict import Outcome
from tutela.integrations.matrix.errors import Unreachable
from tutela.wire.manifest import Action

pytestmark = pytest.mark.slow

PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 860}
LOOKS = [(PHONE, "light", "en"), (PHONE, "dark", "fr"), (DESK, "light", "fr"), (DESK, "dark", "en")]


@dataclass
class Watched:
    """A page, and what its browser complained of or asked of others."""

    page: Page
    origin: str
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        # Chromium complains of a focus that cannot be had as a mere remark.
        self.page.on("console", lambda line: self._complain(line.text) if line.type != "log" else None)
        self.page.on("pageerror", lambda error: self._complain(str(error)))
        self.page.on("request", lambda request: self._asked(request.url))

    def _complain(self, what: str) -> None:
        self.complaints.append(what)

    def _asked(self, url: str) -> None:
        if not url.startswith(self.origin + "/"):
            self.complaints.append(f"asked {url}")


@asynccontextmanager
async def opened(browser: Browser, address: str, **context) -> AsyncIterator[Watched]:
    """Open `address`; at the end, nothing may have been complained of."""
    facts = {"viewport": PHONE, "locale": "en-GB", "reduced_motion": "reduce", **context}
    room = await browser.new_context(**facts)
    try:
        watched = Watched(await room.new_page(), "/".join(address.split("/")[:3]))
        watched.watch()
        await watched.page.goto(address)
        yield watched
        assert watched.complaints == []
    finally:
        await room.close()


@pytest.fixture(scope="session")
async def gallery() -> AsyncIterator[Gallery]:
    async with serve_gallery() as running:
        yield running


def judge(outcome: Outcome, action: Action | None = None):
    return lambda _picture, direction: verdict(direction, outcome, action)


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    file = tmp_path / "cat.jpg"
    file.write_bytes(photograph("chelsea"))
    return file


#: Scenes that differ from others by a sentence only.
ALIKE = {"report-message", "report-confirm-night", "report-sent-night", "report-waiting-full", "reports-none"}


@pytest.mark.parametrize("scene", [*(name for name in SCENES if name not in ALIKE), "help", "side-by-side"])
async def test_every_screen_is_accessible_and_fits(browser: Browser, gallery: Gallery, scene: str):
    """axe-core finds nothing, in both languages, light and dark; nothing is wider than a small phone."""
    for viewport, scheme, language in LOOKS:
        look = {"viewport": viewport, "color_scheme": scheme, "locale": {"en": "en-GB", "fr": "fr-FR"}[language]}
        async with opened(browser, gallery.scenes[scene], **look) as watched:
            assert await watched.page.evaluate("document.documentElement.lang") == language
            assert await accessibility_violations(watched.page) == []
            wide = await watched.page.evaluate("document.scrollingElement.scrollWidth > innerWidth")
            assert not wide


async def test_what_the_service_says_is_text_with_its_lines(browser: Browser, gallery: Gallery):
    async with opened(browser, gallery.scenes["service"]) as watched:
        told = watched.page.locator(".entry.notice")
        await expect(told.locator("strong")).to_have_text("From the service")
        words = told.locator("p.words")
        assert await words.inner_text() == DECISION
        assert await told.locator("a, b, button").count() == 0


async def test_a_lost_link_is_accessible(browser: Browser, gallery: Gallery):
    room = await browser.new_context(viewport=PHONE)
    page = await room.new_page()
    await page.goto(gallery.scenes["lost"])
    assert await accessibility_violations(page) == []
    await room.close()


@pytest.mark.parametrize("scene", ["conversation", "chosen", "stop", "warn", "received-warn", "help", "side-by-side"])
async def test_reflow_and_double_text(browser: Browser, gallery: Gallery, scene: str):
    """WCAG 1.4.10: 320 pixels wide without scrolling sideways. WCAG 1.4.4: text at twice its size."""
    wide = "document.scrollingElement.scrollWidth > innerWidth"
    async with opened(browser, gallery.scenes[scene], viewport={"width": 320, "height": 640}) as watched:
        assert not await watched.page.evaluate(wide)
    async with opened(browser, gallery.scenes[scene], viewport=PHONE, java_script_enabled=False) as watched:
        assert not await watched.page.evaluate(wide)
    async with opened(browser, gallery.scenes[scene], viewport={"width": 640, "height": 640}) as watched:
        await watched.page.evaluate("document.documentElement.style.setProperty('font-size', '212%')")
        assert not await watched.page.evaluate(wide)


@pytest.mark.parametrize("width", [360, 800, 1100, 1400])
async def test_phones_and_pane_stand_beside_each_other_never_on_top(browser: Browser, gallery: Gallery, width: int):
    boxes = "[...document.querySelectorAll('.phone, .seen')].map(e => e.getBoundingClientRect().toJSON())"
    async with opened(browser, gallery.scenes["side-by-side"], viewport={"width": width, "height": 780}) as watched:
        found = await watched.page.evaluate(boxes)
        assert len(found) == 3
        for one, other in itertools.combinations(found, 2):
            apart = one["right"] <= other["left"] or other["right"] <= one["left"]
            assert apart or one["bottom"] <= other["top"] or other["bottom"] <= one["top"]


async def test_messages_come_and_go_without_a_reload(browser: Browser, served: Running):
    async with opened(browser, served.links.windows[0]) as mia, opened(browser, served.links.windows[1]) as leo:
        for watched in (mia, leo):
            await watched.page.evaluate("window.never = 'reloaded'")
        await mia.page.get_by_label("Message to Leo").fill("Hello, Leo")
        await mia.page.get_by_label("Message to Leo").press("Enter")
        log = leo.page.get_by_role("log", name="Messages")
        await expect(log.get_by_text("Hello, Leo")).to_be_visible()
        await expect(mia.page.get_by_label("Message to Leo")).to_have_value("")
        await leo.page.get_by_label("Message to Mia").fill("half a thought")
        await mia.page.get_by_label("Message to Leo").fill("And <b>again</b>")
        await mia.page.get_by_role("button", name="Send").click()
        await expect(log.get_by_text("And <b>again</b>")).to_be_visible()
        await expect(leo.page.get_by_label("Message to Mia")).to_have_value("half a thought")
        await expect(log.get_by_role("listitem")).to_have_count(3)
        for watched in (mia, leo):
            assert await watched.page.evaluate("window.never") == "reloaded"


async def test_only_what_is_new_is_announced(browser: Browser, served: Running):
    """A screen reader reads what is added to the log: earlier messages must stay the same elements."""
    await served.pair.leo.send_text(ROOM, "first")
    async with opened(browser, served.links.windows[0]) as mia:
        await expect(mia.page.get_by_text("first")).to_be_visible()
        await mia.page.evaluate("document.querySelector('.entry').dataset.kept = 'yes'")
        await served.pair.leo.send_text(ROOM, "second")
        await expect(mia.page.get_by_text("second")).to_be_visible()
        assert await mia.page.evaluate("document.querySelector('.entry').dataset.kept") == "yes"


async def test_the_stop_screen_by_keyboard(browser: Browser, served: Running, cat: Path):
    served.pair.mia.judge = judge(Outcome.STOP)
    async with opened(browser, served.links.windows[0]) as mia:
        page = mia.page
        await page.get_by_label("Choose a picture").set_input_files(cat)
        await expect(page.get_by_role("heading", name="Send this picture to Leo?")).to_be_focused()
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name="Send the picture")).to_be_focused()
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="This picture was not sent")
        await expect(dialog).to_be_visible()
        await expect(dialog.get_by_role("heading", name="This picture was not sent")).to_be_focused()
        visited = []
        for _ in range(8):
            await page.keyboard.press("Tab")
            visited.append(
                await page.evaluate(
                    "document.activeElement === document.body ? 'browser' :"
                    " document.activeElement.closest('[role=dialog]') ? 'dialog' : document.activeElement.outerHTML"
                )
            )
        assert set(visited) <= {"dialog", "browser"}  # the conversation behind cannot be reached
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await expect(page.get_by_label("Message to Leo")).to_be_focused()
    assert served.pair.leos.events == ()


async def test_another_picture_from_the_stop_screen(browser: Browser, served: Running, cat: Path):
    served.pair.mia.judge = judge(Outcome.STOP)
    async with opened(browser, served.links.windows[0]) as mia:
        page = mia.page
        await page.get_by_label("Choose a picture").set_input_files(cat)
        await page.get_by_role("button", name="Send the picture").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_be_visible()
        served.pair.mia.judge = judge(Outcome.ALLOW)
        await dialog.get_by_label("Choose another picture").set_input_files(cat)
        await expect(dialog).to_be_hidden()
        await page.get_by_role("button", name="Send the picture").click()
        await expect(page.get_by_role("img", name="Picture from Mia")).to_be_visible()
    assert len(served.pair.leos.events) == 1


async def test_the_question_by_keyboard(browser: Browser, served: Running, cat: Path):
    served.pair.mia.judge = judge(Outcome.WARN)
    async with opened(browser, served.links.windows[0]) as mia:
        page = mia.page
        await page.get_by_label("Choose a picture").set_input_files(cat)
        await page.get_by_role("button", name="Send the picture").press("Enter")
        await expect(page.get_by_role("dialog", name="Do you want to send this picture?")).to_be_visible()
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name="Don’t send it")).to_be_focused()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await expect(page.get_by_role("img", name="Picture from Mia")).to_be_visible()


async def test_a_received_warning_opens_and_covers_again(browser: Browser, served: Running):
    served.pair.mia.judge = judge(Outcome.WARN)
    async with opened(browser, served.links.windows[0]) as mia:
        await served.pair.leo.send_picture(ROOM, photograph("coffee"), "cup.jpg")
        picture = mia.page.get_by_role("img", name="Picture from Leo")
        await expect(mia.page.get_by_text("Do you want to see this picture?")).to_be_visible()
        await expect(picture).to_be_hidden()
        await mia.page.get_by_role("button", name="Show it anyway").click()
        await expect(picture).to_be_visible()
        await expect(mia.page.get_by_role("button", name="Hide it again")).to_be_focused()
        await mia.page.get_by_role("button", name="Hide it again").click()
        await expect(picture).to_be_hidden()


async def test_who_has_come_is_accepted_by_keyboard(browser: Browser, served: Running):
    served.pair.mia.somebody_joined("@zoe:example.org")
    async with opened(browser, served.links.windows[0]) as mia:
        log = mia.page.get_by_role("log", name="Messages")
        await expect(log.get_by_text("Somebody new: Zoe")).to_be_visible()
        await expect(log.get_by_text("@zoe:example.org is now in this conversation")).to_be_visible()
        await log.get_by_role("button", name="I know why, it is fine").press("Enter")
        await expect(log.get_by_role("button", name="I know why, it is fine")).to_have_count(0)
    assert served.pair.mia.log == [f"accept @zoe:example.org in {ROOM}"]


async def test_a_large_file_is_refused_before_it_is_sent(browser: Browser, served: Running, tmp_path: Path):
    large = tmp_path / "large.jpg"
    large.write_bytes(b"\xff\xd8\xff" + bytes(21 << 20))
    async with opened(browser, served.links.windows[0]) as mia:
        await mia.page.get_by_label("Choose a picture").set_input_files(large)
        await expect(mia.page.get_by_role("status").get_by_text("too large")).to_be_visible()
    assert served.pair.mia.log == []


async def test_fast_writers_lose_nothing(browser: Browser, served: Running):
    async with opened(browser, served.links.windows[0]) as mia:
        field = mia.page.get_by_label("Message to Leo")
        await field.focus()
        for number in range(5):
            await mia.page.keyboard.type(f"message {number}")
            await mia.page.keyboard.press("Enter")
        await mia.page.keyboard.type("half a thought")
        await until(lambda: len(served.pair.leos.events) == 5)
        await expect(mia.page.get_by_role("log").get_by_text("message 4")).to_be_visible()
        await expect(field).to_have_value("half a thought")
    assert [event.text for event in served.pair.leos.events] == [f"message {number}" for number in range(5)]


async def test_words_that_were_not_sent_stay(browser: Browser, served: Running):
    served.pair.mia.failure = Unreachable("no answer")
    async with opened(browser, served.links.windows[0]) as mia:
        field = mia.page.get_by_label("Message to Leo")
        await field.fill("Are you there?")
        await field.press("Enter")
        await expect(mia.page.locator("#notice").get_by_text("could not be sent just now")).to_be_visible()
        await expect(field).to_have_value("Are you there?")
        served.pair.mia.failure = None
        await field.press("Enter")
        await expect(mia.page.get_by_role("log").get_by_text("Are you there?")).to_be_visible()
        await expect(field).to_have_value("")
        await expect(mia.page.locator("#notice")).to_be_empty()


async def test_all_of_it_without_a_script(browser: Browser, served: Running, cat: Path):
    async with opened(browser, served.links.windows[0], java_script_enabled=False) as mia:
        page = mia.page
        await page.get_by_label("Message to Leo").fill("No script here")
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_text("No script here")).to_be_visible()
        served.pair.mia.judge = judge(Outcome.STOP)
        await page.get_by_label("Choose a picture").set_input_files(cat)
        await page.get_by_role("button", name="Choose", exact=True).click()
        await page.get_by_role("button", name="Send the picture").click()
        dialog = page.get_by_role("dialog", name="This picture was not sent")
        await expect(dialog.get_by_role("heading", name="This picture was not sent")).to_be_focused()
        await dialog.get_by_role("button", name="Back to the conversation").click()
        await expect(dialog).to_be_hidden()
        await served.pair.leo.send_text(ROOM, "I am here")
        await until(lambda: len(served.pair.mias.events) == 2)
        await page.get_by_role("link", name="Look for new messages").click()
        await expect(page.get_by_text("I am here")).to_be_visible()


async def test_the_page_says_when_it_has_lost_touch(browser: Browser):
    from chat.pair import pair
    from tutela.chat import serve

    both = pair()
    room = await browser.new_context(viewport=PHONE, locale="en-GB")
    page = await room.new_page()
    async with serve([both.mias]) as links:
        await page.goto(links.windows[0])
        await expect(page.get_by_text("lost touch")).to_be_hidden()
    await expect(page.get_by_role("status").get_by_text("lost touch")).to_be_visible()
    await room.close()


async def test_both_phones_and_the_pane(browser: Browser, served: Running):
    async with opened(browser, served.links.side_by_side, viewport=DESK) as watched:
        page = watched.page
        phone = page.frame_locator("iframe[title='Mia’s phone']")
        other = page.frame_locator("iframe[title='Leo’s phone']")
        await phone.get_by_label("Message to Leo").fill("Good morning")
        await phone.get_by_role("button", name="Send").click()
        await expect(other.get_by_text("Good morning")).to_be_visible()
        pane = page.get_by_role("log", name="What others see, live")
        await expect(pane.get_by_text("Waiting for the first line")).to_be_visible()
        served.seen.add(seen())
        await expect(pane.get_by_text("a blinded batch of fixed size, from @mia")).to_be_visible()
        await expect(pane.get_by_text("9,219 bytes")).to_be_visible()
        await expect(pane.get_by_text("Waiting for the first line")).to_be_hidden()


EVIL = """<!doctype html><title>Evil</title>
<iframe id="frame" src="{target}"></iframe>
<form id="form" method="post" action="{target}text"><input name="text" value="forged"></form>
<img id="image" src="{target}chosen/x">"""


@asynccontextmanager
async def another_page(target: str) -> AsyncIterator[str]:
    """A hostile page on another port of this machine: the same site for cookies, another origin."""

    connected: set[asyncio.StreamWriter] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.add(writer)
        body = EVIL.format(target=target).encode()
        # Chromium also connects in advance, and then says nothing.
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + body)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        for writer in connected:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def test_another_page_that_knows_the_link_can_do_nothing(browser: Browser, served: Running):
    """Even with the secret: it can neither frame the page, nor read it, nor post to it."""
    target = served.links.windows[0]
    async with another_page(target) as address:
        room = await browser.new_context()
        page = await room.new_page()
        await page.goto(address)
        frame = page.frame(url=lambda url: url.startswith(target))
        assert frame is None or "Leo" not in await frame.evaluate("document.body.textContent")
        for script in (
            f"fetch('{target}')",
            f"fetch('{target}text', {{method: 'POST', body: new URLSearchParams({{text: 'forged'}})}})",
            f"fetch('{target}text', {{method: 'POST', mode: 'no-cors', body: new FormData(form)}})",
        ):
            with pytest.raises(PlaywrightError, match="Failed to fetch"):
                await page.evaluate(script)
        async with page.expect_navigation() as navigation:
            await page.evaluate("document.getElementById('form').submit()")
        response = await navigation.value
        assert response
        assert response.status == 403
        await room.close()
    assert served.pair.mias.events == ()


async def test_a_rebound_name_is_refused(browser: Browser, served: Running):
    """DNS rebinding in earnest: the browser believes that evil.example is this machine."""
    port = served.origin.rpartition(":")[2]
    room = await browser.new_context()
    page = await room.new_page()
    response = await page.goto(served.links.windows[0].replace("127.0.0.1", "rebound.localhost"))
    assert response
    assert response.status == 421
    assert page.url == f"http://rebound.localhost:{port}{served.pair.mias.path}"
    await room.close()


async def test_the_policy_holds_against_an_injected_script(browser: Browser, served: Running):
    """If escaping ever failed, the policy would still stop what was injected."""
    room = await browser.new_context()
    page = await room.new_page()
    refused = []
    page.on("console", lambda line: refused.append(line.text) if "Content Security Policy" in line.text else None)
    await page.goto(served.links.windows[0])
    for injected in (
        "document.body.innerHTML = '<img src=x>'",
        "document.createElement('script').textContent = 'window.injected = true'",
        "document.body.setAttribute('onclick', 'window.injected = true')",
    ):
        with pytest.raises(PlaywrightError, match="Trusted"):
            await page.evaluate(injected)
    await page.evaluate(
        """() => {
            const image = new Image();
            image.src = "http://127.0.0.1:1/leak.png";
            document.body.append(image);
            document.body.setAttribute("style", "color: red");
        }"""
    )
    for directive in ("img-src 'self'", "style-src 'self'"):
        await until(lambda: any(directive in line for line in refused))  # noqa: B023
    await room.close()

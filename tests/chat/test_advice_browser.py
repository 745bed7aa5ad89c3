"""The conversation guard's card and pause in a browser: announced once, by keyboard, and with the script."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from chat.conftest import Running, until
from chat.pair import ROOM
from chat.test_advice_journeys import advice
from harness.browser import accessibility_violations
from tutela.chat.design import render
from tutela.device.conversation import Focus, Pause
from tutela.integrations.matrix.rooms import Room
from tutela.language import LANGUAGES
from tutela.signals.conversation.decision import Level

pytestmark = pytest.mark.slow

#: Counts what is put into the live regions.
WATCH = """() => {
  window.spoken = [];
  for (const id of ["warning", "nudge"]) new MutationObserver((changes) => {
    for (const change of changes) for (const node of change.addedNodes) if (node.nodeType === 1) spoken.push(id);
  }).observe(document.getElementById(id), { childList: true });
}"""


async def test_a_warning_is_announced_once_and_answered_by_keyboard(browser: Browser, served: Running):
    mia = served.pair.mia
    mia.rooms = {"!nora": Room("!nora", encrypted=True, joined={"@mia:example.org", "@nora:example.org"})}
    room = await browser.new_context()
    page = await room.new_page()
    await page.goto(served.links.windows[0])
    await page.evaluate(WATCH)
    await page.locator("#message").fill("I was writing")
    mia.advise(advice(Level.WARNING, Focus.THREAT))
    await expect(page.locator("#warning .advice")).to_be_visible()
    await expect(page.locator("#message")).to_be_focused()
    await served.pair.leo.send_text(ROOM, "another message")
    await expect(page.get_by_text("another message")).to_be_visible()
    assert await page.evaluate("spoken") == ["warning"]
    await page.get_by_role("link", name="Tell somebody I trust").focus()
    await page.keyboard.press("Enter")
    await page.get_by_label("Your message").fill("Can we talk?")
    await page.get_by_role("button", name="Send").press("Enter")
    await expect(page.get_by_text("Sent to Nora.")).to_be_visible()
    assert mia.log == ["send to !nora: Can we talk?"]
    await page.get_by_role("button", name="It is fine").press("Enter")
    await expect(page.locator("#warning .advice")).to_have_count(0)
    await room.close()


async def test_the_pause_by_keyboard_gives_the_words_back(browser: Browser, served: Running):
    served.pair.mia.pause = Pause(threat=False, many=False)
    room = await browser.new_context()
    page = await room.new_page()
    await page.goto(served.links.windows[0])
    await page.locator("#message").fill("Come on, answer me")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Before you send this")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("#pause .advice")).to_have_count(0)
    await expect(page.locator("#message")).to_have_value("Come on, answer me")
    assert served.pair.leos.events == ()
    await page.locator("#message").press("Enter")
    await page.get_by_role("button", name="Send anyway").press("Enter")
    await until(lambda: len(served.pair.leos.events) == 1)
    await expect(page.locator("#message")).to_have_value("")
    await room.close()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_with_every_state_is_accessible(browser: Browser, tmp_path: Path, language: str, scheme: str):
    file = tmp_path / "design.html"
    file.write_text(render(language))
    room = await browser.new_context(color_scheme=scheme, viewport={"width": 320, "height": 640})
    page = await room.new_page()
    await page.goto(file.as_uri())
    assert await accessibility_violations(page) == []
    assert not await page.evaluate("document.scrollingElement.scrollWidth > innerWidth")
    await room.close()

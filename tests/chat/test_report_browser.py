"""Reporting in a real browser: by touch, by keyboard, without a script, on a small phone; and the other side."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from playwright.async_api import Browser, expect

from chat.conftest import Running, until
from chat.gallery import Gallery
from chat.pair import ROOM, photograph
from chat.pretend import NEVER, REFERENCES, PretendReports
from chat.test_browser import PHONE, gallery, opened  # noqa: F401 (a fixture)
from harness.browser import accessibility_violations
from tutela.wire.report import ReportOutcome, ReportReason, ReportState

pytestmark = pytest.mark.slow

TOUCH = {"has_touch": True, "is_mobile": True}


async def talk(served: Running) -> PretendReports:
    await served.pair.leo.send_text(ROOM, "Send me a picture of you")
    await served.pair.mia.send_text(ROOM, "No")
    await served.pair.leo.send_picture(ROOM, photograph("coffee"), "cup.jpg")
    await until(lambda: len(served.pair.mias.events) == 3)
    reports = served.pair.mia.reports
    assert reports is not None
    reports.clock = lambda: datetime.now(UTC)
    return reports


async def test_three_taps_and_the_other_side_sees_nothing(browser: Browser, served: Running):
    reports = await talk(served)
    async with (
        opened(browser, served.links.windows[0], **TOUCH) as mia,
        opened(browser, served.links.windows[1]) as leo,
    ):
        await expect(leo.page.get_by_text("Send me a picture of you")).to_be_visible()
        before = await leo.page.content()
        asked: list[str] = []
        leo.page.on("request", lambda request: asked.append(request.url))
        page = mia.page
        await page.get_by_role("link", name="Report this message").first.tap()
        await page.get_by_role("link", name="Somebody asked me for pictures").tap()
        await page.get_by_role("button", name="Send the report").tap()
        await expect(page.get_by_role("heading", name="Thank you. You did the right thing.")).to_be_visible()
        await expect(page.get_by_text(REFERENCES[0])).to_be_visible()
        await expect(page.get_by_text("Leo is not told that you reported.")).to_be_visible()
        await page.get_by_role("link", name="Back to the conversation").last.tap()
        await expect(page.get_by_text("Send me a picture of you")).to_be_visible()
        assert await leo.page.content() == before
        assert asked == []
    [sent] = reports.sent
    assert (len(sent["messages"]), sent["files"], sent["reason"]) == (2, {}, ReportReason.ASKED_FOR_PICTURES)
    assert len(served.pair.leos.events) == 3


async def test_by_keyboard_alone(browser: Browser, served: Running):
    reports = await talk(served)
    async with opened(browser, served.links.windows[0]) as mia:
        page = mia.page
        await page.get_by_role("link", name="Report this message").first.focus()
        await page.keyboard.press("Enter")
        await page.get_by_role("link", name="Somebody wants to meet me").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Send your report?")).to_be_visible()
        message = page.get_by_role("checkbox", name=re.compile("^You"))
        await message.focus()
        await page.keyboard.press("Space")
        await expect(message).not_to_be_checked()
        words = page.get_by_label("Do you want to say something?")
        while not await words.evaluate("e => e === document.activeElement"):
            await page.keyboard.press("Tab")
        await page.keyboard.type("At the station.")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("switch", name="Is somebody in danger right now?")).to_be_focused()
        await page.keyboard.press("Space")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Call 999")).to_be_focused()
        while not await page.evaluate("document.activeElement.matches('.send-report button')"):
            await page.keyboard.press("Tab")
            hidden = """() => {
                const at = document.activeElement.getBoundingClientRect();
                const bar = document.querySelector(".send-report");
                return !bar.contains(document.activeElement) && at.bottom > bar.getBoundingClientRect().bottom;
            }"""
            assert not await page.evaluate(hidden)  # WCAG 2.4.11: the bar hides nothing that has the focus
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
        await expect(page.get_by_role("link", name="Call 999")).to_be_visible()
    [sent] = reports.sent
    assert (len(sent["messages"]), sent["text"], sent["danger_now"]) == (1, "At the station.", True)


async def test_all_of_it_without_a_script(browser: Browser, served: Running):
    reports = await talk(served)
    async with opened(browser, served.links.windows[0], java_script_enabled=False, locale="fr-FR") as mia:
        page = mia.page
        await page.get_by_role("link", name="Signaler quelque chose").click()
        await page.get_by_role("link", name="J’ai vu quelque chose de grave").click()
        await page.get_by_role("checkbox", name="Une photo").check()
        await page.get_by_role("button", name="Envoyer le signalement").click()
        await page.get_by_role("link", name="Ce que j’ai signalé").click()
        await expect(page.get_by_text("Il est bien arrivé")).to_be_visible()
        [own] = await reports.mine()
        reports.told(own.id, ReportState.DECIDED, ReportOutcome.MORE_NEEDED, "Quand était-ce ?")
        await page.reload()
        await expect(page.get_by_text("Quand était-ce ?")).to_be_visible()
        await page.get_by_label("Que veux-tu ajouter ?").fill("Hier soir.")
        await page.get_by_role("button", name="L’ajouter").click()
        await expect(page.get_by_text("Merci. C’est ajouté.")).to_be_visible()
    assert [text for _, text, _ in reports.added] == ["Hier soir."]
    assert list(reports.sent[0]["files"].values()) == [photograph("coffee")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_where_nobody_reads_help_comes_first(browser: Browser, served: Running, scheme: str):
    (await talk(served)).times = NEVER
    options = TOUCH | {"locale": "fr-FR", "color_scheme": scheme}
    async with opened(browser, served.links.windows[0], **options) as mia:
        page = mia.page
        await page.get_by_role("link", name="Signaler quelque chose").tap()
        await page.get_by_role("link", name="J’ai vu quelque chose de grave").tap()
        for _ in range(2):
            await expect(page.get_by_role("heading", name="Personne ne peut lire les signalements")).to_be_in_viewport()
            helpline, number = page.locator(".unread .line-links a").first, page.locator(".unread .call")
            await expect(helpline).to_have_attribute("href", re.compile("^tel:"))
            await expect(number).to_be_visible()
            first = page.locator("form, .reference").first
            box, below = await number.bounding_box(), await first.bounding_box()
            assert box
            assert below
            assert box["y"] + box["height"] <= below["y"]
            assert await accessibility_violations(page) == []
            if not await page.locator(".reference").count():
                await page.get_by_role("button", name="Envoyer le signalement").tap()


async def test_danger_changes_what_is_said(browser: Browser, gallery: Gallery):  # noqa: F811
    async with opened(browser, gallery.scenes["report-confirm-night"]) as watched:
        page = watched.page
        switch = page.get_by_role("switch", name="Is somebody in danger right now?")
        call, calm = page.get_by_role("link", name="Call 999"), page.get_by_text("Nobody reads this before tomorrow")
        urgent = page.get_by_text("Somebody reads this within 15 minutes.")
        await expect(calm).to_be_visible()
        await expect(call).to_be_hidden()
        await switch.check()
        await expect(call).to_be_visible()
        await expect(urgent).to_be_visible()
        await expect(calm).to_be_hidden()
        assert await accessibility_violations(page) == []
        await switch.uncheck()
        await expect(call).to_be_hidden()
        await expect(urgent).to_be_hidden()


async def test_more_messages_open_and_are_accessible(browser: Browser, gallery: Gallery):  # noqa: F811
    async with opened(browser, gallery.scenes["report-confirm"]) as watched:
        further = watched.page.get_by_role("checkbox", name="My aunt drives us there")
        await expect(further).to_be_hidden()
        await watched.page.get_by_text("Add more messages").click()
        await expect(further).not_to_be_checked()
        assert await accessibility_violations(watched.page) == []


@pytest.mark.parametrize(
    "scene", ["report-message", "report-reasons", "report-confirm", "report-sent-danger", "reports"]
)
async def test_reflow_and_double_text(browser: Browser, gallery: Gallery, scene: str):  # noqa: F811
    wide = "document.scrollingElement.scrollWidth > innerWidth"
    async with opened(browser, gallery.scenes[scene], viewport={"width": 320, "height": 640}) as watched:
        assert not await watched.page.evaluate(wide)
    async with opened(browser, gallery.scenes[scene], viewport=PHONE, java_script_enabled=False) as watched:
        assert not await watched.page.evaluate(wide)
    async with opened(browser, gallery.scenes[scene], viewport={"width": 640, "height": 640}) as watched:
        await watched.page.evaluate("document.documentElement.style.setProperty('font-size', '212%')")
        assert not await watched.page.evaluate(wide)


async def test_the_language_changes_and_the_report_stays(browser: Browser, gallery: Gallery):  # noqa: F811
    async with opened(browser, gallery.scenes["report-confirm"]) as watched:
        await watched.page.get_by_role("link", name="Français").click()
        await expect(watched.page.get_by_text("On m’a demandé des photos")).to_be_visible()
        await expect(watched.page.get_by_text("Just for me")).to_be_visible()

"""The pages of review in a real browser: every screen, holding to see, single keys, two people at once, no script."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, Route, expect

from console.test_console_browser import DESK, LOOKS, PHONE, Watched, opened
from harness.browser import accessibility_violations
from harness.console import COOKIE
from harness.provider import SERVER
from harness.reports import message
from harness.review_console import Scene, filled, scene
from tutela.provider.review.people import Role
from tutela.provider.review.wellness import LONGEST, Exposures
from tutela.wire.report import ReportReason

pytestmark = pytest.mark.slow

#: Name of the page, who looks, and where: `{…}` is a case of the scene's.
SCREENS = {
    "queue": ("Ada", "/queue"),
    "overdue": ("Ada", "/queue?show=overdue&urgency=imminent"),
    "waiting": ("Pat", "/waiting"),
    "nothing found": ("Ada", "/find?for=nothing"),
    "full case": ("Ada", "/cases/{full}"),
    "to be seconded": ("Ada", "/cases/{second}"),
    "done at once": ("Pat", "/cases/{urgent}"),
    "one's own": ("Bob", "/cases/{urgent}"),
    "appealed": ("Pat", "/cases/{appealed}"),
    "closed": ("Ada", "/cases/{closed}"),
    "second looks": ("Bob", "/second-looks"),
    "agreement": ("Aud", "/agreement"),
    "appeal": (None, "/appeal/{appeal}"),
}


@pytest.fixture(scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A console full of cases: what is done in it stays for the next test."""
    async with scene(tmp_path_factory.mktemp("review")) as made:
        yield await filled(made)


@asynccontextmanager
async def as_(
    browser: Browser, served: Scene, name: str | None, path: str, **context: object
) -> AsyncIterator[Watched]:
    """A page as somebody sees it who is signed in, without a passkey."""
    async with opened(browser, served, **context) as watched:  # type: ignore[arg-type]
        if name is not None:
            secret = served.staff.sign_in(served.members[name].id)
            await watched.context.add_cookies([{"name": COOKIE, "value": secret, "url": served.origin}])
        await watched.go(where(served, path))
        yield watched


def where(served: Scene, path: str) -> str:
    return path.format(appeal=served.appeal, **served.cases)


async def fresh(served: Scene, name: str, **values: object) -> int:
    """A case of its own; return its number."""
    values = {"account": f"@by-{name}:{SERVER}", "about": f"@{name}:{SERVER}", "evidence": (message(700),)} | values
    await served.report(**values)  # type: ignore[arg-type]
    return served.last


@pytest.mark.parametrize("screen", SCREENS)
async def test_every_screen_is_accessible_and_fits(browser: Browser, served: Scene, screen: str):
    """axe-core finds nothing, in both languages, light and dark; nothing is wider than a small phone."""
    name, path = SCREENS[screen]
    for viewport, scheme, language in LOOKS:
        look = {"viewport": viewport, "color_scheme": scheme, "locale": {"en": "en-GB", "fr": "fr-FR"}[language]}
        async with as_(browser, served, name, path, **look) as watched:
            assert await watched.page.evaluate("document.documentElement.lang") == language
            assert await accessibility_violations(watched.page) == []
            assert not await watched.page.evaluate("document.scrollingElement.scrollWidth > innerWidth")


@pytest.mark.parametrize("screen", ["queue", "full case", "appealed", "appeal", "agreement"])
async def test_reflow_and_double_text(browser: Browser, served: Scene, screen: str):
    """WCAG 1.4.10: 320 pixels wide without scrolling sideways. WCAG 1.4.4: text at twice its size."""
    name, path = SCREENS[screen]
    wide = "document.scrollingElement.scrollWidth > innerWidth"
    async with as_(browser, served, name, path, viewport={"width": 320, "height": 640}) as watched:
        assert not await watched.page.evaluate(wide)
    async with as_(browser, served, name, path, viewport={"width": 640, "height": 640}) as watched:
        await watched.page.evaluate("document.documentElement.style.setProperty('font-size', '200%')")
        assert not await watched.page.evaluate(wide)


# Holding to see


async def looked(served: Scene, name: str) -> int:
    """How many pictures somebody has looked at."""
    provider = served.provider
    return (
        Exposures(provider.database, provider.clock, provider.reports.policy.wellness).shift(served.members[name]).views
    )


def first_frame(page: Page):
    tile = page.locator(".tile:has(.frame[data-frame])").first
    return tile, tile.locator(".clear"), tile.locator(".blurred"), tile.get_by_role("button", name="Hold to see")


async def test_a_picture_is_clear_while_the_pointer_holds_it(browser: Browser, served: Scene):
    async with as_(browser, served, "Ada", "/cases/{full}") as watched:
        _, clear, blurred, button = first_frame(watched.page)
        before = await looked(served, "Ada")
        await button.scroll_into_view_if_needed()
        await expect(clear).to_be_hidden()
        await button.hover()
        await watched.page.mouse.down()
        await expect(clear).to_be_visible()
        await expect(blurred).to_be_hidden()
        sizes = await clear.evaluate("(img) => [img.naturalWidth, img.naturalHeight]")
        assert max(sizes) <= 480
        async with watched.page.expect_response("**/media/seen"):
            await watched.page.mouse.up()
        await expect(clear).to_be_hidden()
        await expect(blurred).to_be_visible()
        assert await clear.get_attribute("src") is None
        assert await looked(served, "Ada") == before + 1


@pytest.mark.parametrize("key", ["Space", "Enter"])
async def test_a_picture_is_clear_while_a_key_holds_it(browser: Browser, served: Scene, key: str):
    async with as_(browser, served, "Ada", "/cases/{full}") as watched:
        _, clear, _, button = first_frame(watched.page)
        await button.focus()
        await watched.page.keyboard.down(key)
        await expect(clear).to_be_visible()
        await watched.page.keyboard.down(key)  # as a held key repeats
        await expect(clear).to_be_visible()
        await watched.page.keyboard.up(key)
        await expect(clear).to_be_hidden()


async def test_looking_away_hides_it_too(browser: Browser, served: Scene):
    async with as_(browser, served, "Ada", "/cases/{full}") as watched:
        _, clear, _, button = first_frame(watched.page)
        await button.focus()
        await watched.page.keyboard.down("Space")
        await expect(clear).to_be_visible()
        await watched.page.evaluate("window.dispatchEvent(new Event('blur'))")
        await expect(clear).to_be_hidden()


async def test_a_picture_goes_by_itself_in_the_end(browser: Browser, served: Scene):
    async with as_(browser, served, "Ada", "/cases/{full}") as watched:
        # As the server says it, only sooner.
        async def sooner(route: Route) -> None:
            answer = await route.fetch()
            told = await answer.json()
            assert told["seconds"] == LONGEST
            await route.fulfill(response=answer, json=told | {"seconds": 3})

        await watched.page.route("**/look", sooner)
        _, clear, _, button = first_frame(watched.page)
        await button.focus()
        await watched.page.keyboard.down("Space")
        await expect(clear).to_be_visible(timeout=15_000)
        await expect(clear).to_be_hidden(timeout=15_000)


async def test_enough_is_said_kindly(browser: Browser, served: Scene):
    served.hire("Tired", Role.REVIEWER)
    provider = served.provider
    counted = Exposures(provider.database, provider.clock, provider.reports.policy.wellness)
    for _ in range(15):
        counted.begin(served.members["Tired"], seconds=20)
    async with as_(browser, served, "Tired", "/cases/{full}") as watched:
        _, clear, _, button = first_frame(watched.page)
        await button.focus()
        await watched.page.keyboard.press("Space", delay=300)
        told = watched.page.get_by_role("alert").filter(has_text="Time for a break")
        await expect(told).to_be_visible()
        await expect(told).to_contain_text("a colleague goes on with it")
        await expect(clear).to_be_hidden()
        assert await accessibility_violations(watched.page) == []
        # The browser itself remarks on an answer of 403.
        assert [line for line in watched.complaints if "403" not in line] == []
        watched.complaints.clear()


# Keys


async def test_the_queue_by_single_keys(browser: Browser, served: Scene):
    async with as_(browser, served, "Ada", "/queue") as watched:
        page, rows = watched.page, watched.page.locator("[data-item]")
        await page.keyboard.press("j")
        await expect(rows.nth(0)).to_be_focused()
        await page.keyboard.press("j")
        await page.keyboard.press("j")
        await page.keyboard.press("k")
        await expect(rows.nth(1)).to_be_focused()
        await page.keyboard.press("o")
        await expect(page).to_have_url(re.compile(r"/cases/\d+$"))
        await page.wait_for_load_state()  # the script comes after the page
        await page.keyboard.press("u")
        await expect(page).to_have_url(re.compile(r"/queue$"))
        await page.wait_for_load_state()
        await page.keyboard.press("/")
        await expect(page.locator("#find")).to_be_focused()
        await page.keyboard.type("jo")
        await expect(page.locator("#find")).to_have_value("jo")


async def test_taking_by_key(browser: Browser, served: Scene):
    case = await fresh(served, "taken", danger_now=True)
    async with as_(browser, served, "Cai", "/queue") as watched:
        await watched.page.locator(f'a[href="/cases/{case}"]').focus()
        await watched.page.keyboard.press("t")
        await expect(watched.page).to_have_url(f"{served.origin}/cases/{case}")
        await expect(watched.page.get_by_text("Yours", exact=True)).to_be_visible()


async def test_a_case_by_single_keys(browser: Browser, served: Scene):
    async with as_(browser, served, "Ada", "/cases/{full}") as watched:
        page = watched.page
        await page.keyboard.press("d")
        await expect(page.locator("#decide input[type=radio]").first).to_be_focused()
        await page.keyboard.press("n")
        await expect(page.locator("#note")).to_be_focused()
        await page.keyboard.type("jk")
        await expect(page.locator("#note")).to_have_value("jk")
        await page.locator("[data-item]", has=page.locator(".frame")).first.focus()
        await page.keyboard.down("h")
        await expect(page.locator(".clear:visible")).to_have_count(1)
        await page.keyboard.up("h")
        await expect(page.locator(".clear:visible")).to_have_count(0)


async def test_single_keys_can_be_switched_off_and_stay_off(browser: Browser, served: Scene):
    """WCAG 2.1.4."""
    async with as_(browser, served, "Ada", "/queue") as watched:
        page = watched.page
        await page.get_by_text("Keyboard", exact=True).click()
        await page.get_by_label("Single keys do this").uncheck()
        await page.reload()
        await page.keyboard.press("j")
        await expect(page.locator("[data-item]:focus")).to_have_count(0)
        await page.get_by_text("Keyboard", exact=True).click()
        await page.get_by_label("Single keys do this").check()
        await page.keyboard.press("j")
        await expect(page.locator("[data-item]:focus")).to_have_count(1)


# Deciding


async def decide(page: Page, rule: str, action: str, reasons: str) -> None:
    await page.get_by_label(rule, exact=True).check()
    await page.get_by_role("checkbox", name=action, exact=True).check()
    await page.get_by_label("Your reasons").fill(reasons)
    await page.get_by_role("button", name="Decide").click()


async def test_a_rule_shows_what_it_allows(browser: Browser, served: Scene):
    async with as_(browser, served, "Ada", "/cases/{full}") as watched:
        boxes = watched.page.locator(".rule-actions:visible")
        await expect(boxes).to_have_count(0)
        await watched.page.get_by_label("Threats and extortion", exact=True).check()
        await expect(boxes).to_have_count(1)
        await expect(boxes.get_by_text("Needs a second person.")).to_have_count(4)
        await expect(watched.page.get_by_text("Which files are locked away")).to_be_hidden()
        await watched.page.get_by_label("Material that shows the abuse of a child", exact=True).check()
        await watched.page.get_by_label("Lock the files away").check()
        await expect(watched.page.get_by_text("Which files are locked away")).to_be_visible()


async def test_a_ready_answer_can_be_changed_before_it_is_sent(browser: Browser, served: Scene):
    async with as_(browser, served, "Ada", "/cases/{open}") as watched:
        answer = watched.page.get_by_label("Your answer to those who reported")
        await answer.fill("Hello.")
        await watched.page.get_by_label("An answer to begin with").select_option(index=2)
        await expect(answer).to_have_value(re.compile(r"^Hello\.\n\nThank you for telling us\. What you did"))
        await expect(answer).to_be_focused()


async def test_two_reviewers_at_once(browser: Browser, served: Scene):
    """Both have the case open and write; one is quicker. Nothing is done twice, and nobody's words are lost."""
    case = await fresh(served, "both")
    async with opened(browser, served) as one, opened(browser, served) as two:  # type: ignore[arg-type]
        await one.join(served, "Una", Role.REVIEWER)  # type: ignore[arg-type]
        await two.join(served, "Duo", Role.REVIEWER)  # type: ignore[arg-type]
        for watched in (one, two):
            await watched.go(f"/cases/{case}")
        await decide(one.page, "Asking a child for intimate pictures", "Suspend the account", "You asked a child.")
        await expect(one.page.get_by_text("It waits for a second person: not for you.")).to_be_visible()

        await decide(two.page, "Threats and extortion", "Ban the account", "My own words.")
        # There is no form to decide any more: what was written is not in it, but not lost either.
        told = two.page.get_by_role("alert").filter(has_text="Somebody else changed this case meanwhile")
        await expect(told).to_be_visible()
        await expect(two.page.get_by_text("My own words.")).to_be_visible()
        assert [d.state for d in served.provider.decisions.of_case(case)] == ["proposed"]

        await two.page.get_by_role("button", name="Agree: put it into force").click()
        await expect(two.page.get_by_text("In force", exact=True)).to_be_visible()
        assert [d.state for d in served.provider.decisions.of_case(case)] == ["in-force"]
        two.complaints[:] = [line for line in two.complaints if "409" not in line]


async def test_a_passkey_that_says_no_decides_nothing(browser: Browser, served: Scene):
    case = await fresh(served, "nopasskey", reason=ReportReason.SOMETHING_ELSE)
    async with opened(browser, served) as watched:  # type: ignore[arg-type]
        await watched.join(served, "Noa", Role.REVIEWER)  # type: ignore[arg-type]
        await watched.go(f"/cases/{case}")
        await watched.verify_people(False)
        await decide(watched.page, "Unwanted contact with a child", "Warn", "You pressed a child.")
        await expect(watched.page.get_by_text("That was cancelled, or took too long.")).to_be_visible()
        await expect(watched.page.get_by_label("Your reasons")).to_have_value("You pressed a child.")
        assert served.provider.decisions.of_case(case) == []


# Without a script


async def test_without_a_script(browser: Browser, served: Scene):
    async with as_(browser, served, "Ada", "/cases/{full}", java_script_enabled=False, viewport=PHONE) as watched:
        page = watched.page
        await expect(page.get_by_role("button", name="Hold to see")).to_have_count(0)
        await page.get_by_label("A note for your colleagues").fill("Without a script.")
        await page.get_by_role("button", name="Write it down").click()
        await expect(page.get_by_text("Without a script.")).to_be_visible()
        await page.locator(".tile:has(.frame) a").first.click()
        await page.get_by_role("button", name="See it small and grey").click()
        picture = page.get_by_alt_text("A reported picture, for some seconds")
        await expect(picture).to_be_visible()
        assert await accessibility_violations_without_script(page) is None


async def accessibility_violations_without_script(page: Page) -> None:
    """axe needs a script; that the page has a heading and a way back is seen without."""
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await expect(page.get_by_role("link", name="Back")).to_be_visible()


async def test_a_file_page_is_accessible(browser: Browser, served: Scene):
    async with as_(browser, served, "Ada", "/cases/{full}", viewport=DESK) as watched:
        await watched.page.locator(".tile:has(.frame) a").first.click()
        assert await accessibility_violations(watched.page) == []
        await watched.page.get_by_role("button", name="See it small and grey").click()
        assert await accessibility_violations(watched.page) == []
        await watched.page.get_by_role("link", name="Back").click()
        await expect(watched.page).to_have_url(f"{served.origin}/cases/{served.cases['full']}")


async def test_a_second_look(browser: Browser, served: Scene):
    async with as_(browser, served, "Bob", "/second-looks") as watched:
        page = watched.page
        await page.get_by_role("button", name="Give a second look").click()
        assert await accessibility_violations(page) == []
        await page.get_by_label("Nothing here is against our rules", exact=True).check()
        await page.get_by_role("button", name="So I would decide").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("You decided")
        assert await accessibility_violations(page) == []


async def test_the_person_concerned_appeals(browser: Browser, served: Scene):
    async with as_(browser, served, None, "/appeal/{appeal}", locale="fr-FR", viewport=PHONE) as watched:
        await watched.page.get_by_label("Votre contestation").fill("C’était mon frère.")
        await watched.page.get_by_role("button", name="Envoyer").click()
        await expect(watched.page.get_by_text("Votre contestation est arrivée")).to_be_visible()
        assert await accessibility_violations(watched.page) == []

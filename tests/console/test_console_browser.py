"""The console in a real browser: passkeys with Chromium's virtual authenticator, the keyboard, axe, no script."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, CDPSession, Page, expect

from harness.browser import accessibility_violations
from harness.console import COOKIE
from harness.provider import make_settings, small_epoch
from harness.reports import message, report
from tutela.console.server import listening
from tutela.provider.clock import system_clock
from tutela.provider.database import Database
from tutela.provider.errors import DamagedAudit
from tutela.provider.review.checkpoints import Checkpoints
from tutela.provider.review.people import Role
from tutela.provider.review.staff import StaffStore
from tutela.provider.server import running
from tutela.provider.service import Provider
from tutela.wire.document import encode

pytestmark = pytest.mark.slow

PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 860}
LOOKS = [(PHONE, "light", "en"), (PHONE, "dark", "fr"), (DESK, "light", "fr"), (DESK, "dark", "en")]


@dataclass
class Served:
    """A running console, and the store behind it."""

    origin: str
    staff: StaffStore
    members: dict[Role, str] = field(default_factory=dict)
    """An id for each role."""


@pytest.fixture(scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    folder = tmp_path_factory.mktemp("console")
    settings = make_settings(folder, small_epoch())
    opened = Provider.open(settings)
    for number in (1, 2):
        sent = report(message(number), number=number, about=f"@about{number}:home.example")
        opened.reports.take("@mia:home.example", encode(sent))
    opened.close()
    database = Database(settings.database_url)
    staff = StaffStore(database, system_clock, secrets.token_bytes)
    with listening(settings, port=0) as console:
        async with running(settings, beside=[console]):
            made = Served(console.site.origin, staff)
            for role in Role:
                made.members[role] = staff.invite(f"The {role}", role, "Family", by=None)[0].id
            yield made
    database.close()


@dataclass
class Watched:
    """A page, its virtual authenticator, and what its browser complained of or asked of others."""

    page: Page
    context: BrowserContext
    origin: str
    cdp: CDPSession
    authenticator: str
    complaints: list[str] = field(default_factory=list)

    async def credentials(self) -> list[dict[str, Any]]:
        got = await self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.authenticator})
        return list(got["credentials"])

    async def verify_people(self, yes: bool) -> None:
        """Whether the authenticator sees the right finger."""
        facts = {"authenticatorId": self.authenticator, "isUserVerified": yes}
        await self.cdp.send("WebAuthn.setUserVerified", facts)

    async def go(self, path: str) -> None:
        await self.page.goto(self.origin + path)

    async def sign_in_as(self, served: Served, role: Role) -> None:
        secret = served.staff.sign_in(served.members[role])
        await self.context.add_cookies([{"name": COOKIE, "value": secret, "url": self.origin}])

    async def join(self, served: Served, name: str, role: Role) -> str:
        """Invite somebody, and make their passkey in this browser."""
        person, secret = served.staff.invite(name, role, "Family", by=None)
        await self.go(f"/invitation/{secret}")
        await self.page.get_by_role("button", name="Make your passkey").click()
        await expect(self.page.get_by_role("banner").get_by_text(name, exact=True)).to_be_visible()
        return person.id


DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@asynccontextmanager
async def opened(browser: Browser, served: Served, **context: Any) -> AsyncIterator[Watched]:
    """A new browser with a passkey device; at the end, nothing may have been complained of."""
    facts = {"viewport": DESK, "locale": "en-GB", "reduced_motion": "reduce", **context}
    room = await browser.new_context(**facts)
    try:
        page = await room.new_page()
        cdp = await room.new_cdp_session(page)
        await cdp.send("WebAuthn.enable")
        added = await cdp.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
        watched = Watched(page, room, served.origin, cdp, added["authenticatorId"])
        page.on("console", lambda line: watched.complaints.append(line.text) if line.type != "log" else None)
        page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        page.on("request", lambda request: asked(watched, request.url))
        yield watched
        assert watched.complaints == []
    finally:
        await room.close()


def asked(watched: Watched, url: str) -> None:
    if not url.startswith(watched.origin + "/"):
        watched.complaints.append(f"asked {url}")


async def test_invited_and_signed_in_again(browser: Browser, served: Served):
    async with opened(browser, served) as watched:
        staff = await watched.join(served, "Ada", Role.AUDITOR)
        assert watched.page.url == f"{served.origin}/audit"
        (credential,) = await watched.credentials()
        assert credential["rpId"] == "localhost"
        assert credential["isResidentCredential"]
        assert len(served.staff.passkeys_of(staff)) == 1
        await watched.page.get_by_role("button", name="Sign out").click()
        await expect(watched.page).to_have_url(f"{served.origin}/sign-in")
        await watched.page.get_by_role("button", name="Sign in with your passkey").click()
        await expect(watched.page).to_have_url(f"{served.origin}/audit")


async def test_a_cookie_is_out_of_every_scripts_reach(browser: Browser, served: Served):
    async with opened(browser, served) as watched:
        await watched.join(served, "Ada", Role.AUDITOR)
        (cookie,) = [one for one in await watched.context.cookies() if one["name"] == COOKIE]
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
        assert COOKIE not in await watched.page.evaluate("document.cookie")


async def test_a_wrong_finger_is_told_and_changes_nothing(browser: Browser, served: Served):
    async with opened(browser, served) as watched:
        _, secret = served.staff.invite("Ada", Role.AUDITOR, "Family", by=None)
        await watched.go(f"/invitation/{secret}")
        await watched.verify_people(False)
        await watched.page.get_by_role("button", name="Make your passkey").click()
        await expect(watched.page.get_by_role("alert").filter(has_text="Nothing has been done.")).to_be_visible()
        assert await watched.credentials() == []
        await watched.verify_people(True)
        await watched.page.get_by_role("button", name="Make your passkey").click()
        await expect(watched.page).to_have_url(f"{served.origin}/audit")


async def test_an_act_is_confirmed_with_the_passkey(browser: Browser, served: Served):
    async with opened(browser, served) as watched:
        await watched.join(served, "Root", Role.ADMIN)
        page = watched.page
        await page.get_by_label("Name").fill("Aud Outside")
        await page.get_by_label("Organisation").fill("Helpline")
        await page.get_by_label("Auditor").check()
        count = (await watched.credentials())[0]["signCount"]
        await page.get_by_role("button", name="Invite", exact=True).click()
        await expect(page.get_by_role("heading", name="The link for Aud Outside")).to_be_visible()
        assert (await watched.credentials())[0]["signCount"] > count
        assert await accessibility_violations(page) == []
        link = await page.get_by_role("textbox", name="The link for Aud Outside").input_value()
        async with opened(browser, served) as other:
            await other.page.goto(link)
            await expect(other.page.get_by_role("heading", name="Welcome, Aud Outside")).to_be_visible()
            await other.page.get_by_role("button", name="Make your passkey").click()
            await expect(other.page).to_have_url(f"{served.origin}/audit")
            await watched.go("/staff")
            row = page.get_by_role("row").filter(has_text="Aud Outside")
            await row.get_by_text("Change").click()
            await row.get_by_role("button", name="Dismiss").click()
            await expect(page.get_by_role("heading", name="Who has left")).to_be_visible()
            other.complaints.clear()
            await other.page.reload()
            await expect(other.page.get_by_role("heading", name="Please sign in")).to_be_visible()
            other.complaints.clear()  # Chromium remarks on the status 401


async def test_an_act_that_is_not_confirmed_is_not_sent(browser: Browser, served: Served):
    async with opened(browser, served) as watched:
        await watched.join(served, "Root", Role.ADMIN)
        before = len(served.staff.members())
        page = watched.page
        await page.get_by_label("Name").fill("Nobody")
        await page.get_by_label("Organisation").fill("Nowhere")
        await page.get_by_label("Reviewer").check()
        await watched.verify_people(False)
        await page.get_by_role("button", name="Invite", exact=True).click()
        await expect(page.get_by_role("alert").filter(has_text="Nothing has been done.")).to_be_visible()
        assert len(served.staff.members()) == before
        assert await page.get_by_label("Name").input_value() == "Nobody"  # what was written is still there


async def test_what_was_written_is_shown_when_the_session_is_over(browser: Browser, served: Served):
    async with opened(browser, served, viewport=PHONE) as watched:
        await watched.sign_in_as(served, Role.ADMIN)
        await watched.go("/staff")
        page = watched.page
        await page.get_by_label("Name").fill("Somebody new")
        await page.get_by_label("Organisation").fill("Somewhere")
        await page.get_by_label("Auditor").check()
        await watched.context.clear_cookies()
        await page.get_by_role("button", name="Invite", exact=True).click()
        await expect(page.get_by_role("alert").filter(has_text="You are not signed in")).to_be_visible()
        assert await page.get_by_label("Name").input_value() == "Somebody new"
        await page.evaluate("document.querySelector('form.fields').removeAttribute('data-passkey')")  # as a plain form
        await page.get_by_role("button", name="Invite", exact=True).click()
        await expect(page.get_by_role("heading", name="Please sign in")).to_be_visible()
        assert await page.locator(".written textarea").first.input_value() == "Somebody new"
        assert await accessibility_violations(page) == []
        watched.complaints.clear()  # Chromium remarks on the status 401


async def test_a_damaged_log_is_told(browser: Browser, served: Served, monkeypatch: pytest.MonkeyPatch):
    def damaged(*_: object) -> None:
        raise DamagedAudit("entry 3 of the audit log has been changed")

    monkeypatch.setattr(Checkpoints, "verified", damaged)
    for scheme in ("light", "dark"):
        async with opened(browser, served, viewport=PHONE, color_scheme=scheme) as watched:
            await watched.sign_in_as(served, Role.AUDITOR)
            await watched.go("/audit")
            await watched.page.get_by_role("button", name="Verify the whole log").click()
            await expect(watched.page.get_by_role("heading", name="The audit log has been damaged")).to_be_focused()
            assert await accessibility_violations(watched.page) == []


async def test_by_keyboard_alone(browser: Browser, served: Served):
    async with opened(browser, served) as watched:
        await watched.join(served, "Root", Role.ADMIN)
        page, press = watched.page, watched.page.keyboard.press
        await press("Tab")
        await expect(page.get_by_role("link", name="Go to the content")).to_be_focused()
        await press("Enter")
        await expect(page.locator("main")).to_be_focused()
        await page.get_by_label("Name").focus()
        await page.keyboard.type("Key Board")
        await press("Tab")
        await page.keyboard.type("Home")
        await press("Tab")
        await press("Space")
        await expect(page.get_by_label("Reviewer")).to_be_checked()
        await press("ArrowDown")
        await expect(page.get_by_label("Partner")).to_be_checked()
        await press("Tab")
        await press("Enter")
        await expect(page.get_by_role("heading", name="The link for Key Board")).to_be_focused()


async def test_without_a_script_it_says_why_nothing_happens(browser: Browser, served: Served):
    async with opened(browser, served, java_script_enabled=False) as watched:
        await watched.go("/sign-in")
        await expect(watched.page.get_by_text("Passkeys need a script")).to_be_visible()
        await watched.sign_in_as(served, Role.AUDITOR)
        await watched.go("/audit")
        await watched.page.get_by_role("button", name="Verify the whole log").click()
        await expect(watched.page.get_by_role("heading", name="The log is whole")).to_be_visible()
        await watched.page.get_by_role("link", name="Français").click()
        await expect(watched.page.get_by_role("heading", name="Journal d’audit")).to_be_visible()
        await watched.page.get_by_role("button", name="Se déconnecter").click()
        await expect(watched.page.get_by_role("heading", name="Connexion")).to_be_visible()


async def test_an_auditor_takes_the_log_home(browser: Browser, served: Served, tmp_path: Path):
    async with opened(browser, served) as watched:
        await watched.sign_in_as(served, Role.AUDITOR)
        await watched.go("/audit")
        for name in ("Save a signed checkpoint", "Save all entries"):
            async with watched.page.expect_download() as downloading:
                await watched.page.get_by_role("link", name=name).click()
            got = await downloading.value
            await got.save_as(tmp_path / got.suggested_filename)
        assert (tmp_path / "checkpoint.txt").read_bytes().startswith(b"provider.example/audit\n")
        lines = (tmp_path / "audit.jsonl").read_text().splitlines()
        assert [json.loads(line)["number"] for line in lines] == list(range(len(lines)))


async def test_another_page_cannot_use_the_session(browser: Browser, served: Served):
    """A page at another port of this machine, which counts as the same site, and at 127.0.0.1, which does not."""
    async with opened(browser, served) as watched:
        await watched.sign_in_as(served, Role.ADMIN)
        form = f"<form method=post action='{served.origin}/sign-out'><button>x</button></form>"

        async def evil(route: Any) -> None:
            await route.fulfill(content_type="text/html", body=form)

        for address in ("http://localhost:1/evil", "http://evil.example/"):
            await watched.page.route(address, evil)
            await watched.page.goto(address)
            await watched.page.get_by_role("button").click()
            await expect(watched.page.get_by_text("This did not come from this page.")).to_be_visible()
        watched.complaints.clear()
        await watched.go("/staff")
        await expect(watched.page.get_by_role("heading", name="Staff")).to_be_visible()


async def test_it_cannot_be_framed(browser: Browser, served: Served):
    async with opened(browser, served) as watched:
        await watched.sign_in_as(served, Role.ADMIN)

        async def evil(route: Any) -> None:
            await route.fulfill(content_type="text/html", body=f"<iframe src='{served.origin}/staff'></iframe>")

        await watched.page.route("http://localhost:1/evil", evil)
        await watched.page.goto("http://localhost:1/evil")
        frame = watched.page.frames[-1]
        assert "Staff" not in await frame.content()
        watched.complaints.clear()


SCENES = {
    "sign-in": (None, "/sign-in"),
    "away": (None, "/audit"),
    "link-spent": (None, "/invitation/none"),
    "not-here": (None, "/nothing"),
    "welcome": (None, "/invitation/{secret}"),
    "staff": (Role.ADMIN, "/staff"),
    "not-for-you": (Role.ADMIN, "/audit"),
    "audit": (Role.AUDITOR, "/audit"),
    "audit-of-a-case": (Role.AUDITOR, "/audit?case=1"),
    "verified": (Role.AUDITOR, "/audit"),
}


@pytest.mark.parametrize("scene", SCENES)
async def test_every_screen_is_accessible_and_fits(browser: Browser, served: Served, scene: str):
    """axe-core finds nothing, in both languages, light and dark; nothing is wider than a small phone."""
    role, path = SCENES[scene]
    for viewport, scheme, language in LOOKS:
        locale = {"en": "en-GB", "fr": "fr-FR"}[language]
        async with opened(browser, served, viewport=viewport, color_scheme=scheme, locale=locale) as watched:
            if role is not None:
                await watched.sign_in_as(served, role)
            secret = served.staff.invite("Mia", Role.REVIEWER, "Family", by=None)[1] if "{secret}" in path else ""
            await watched.go(path.format(secret=secret))
            if scene == "verified":
                await watched.page.locator("form[action='/audit/verify'] button").click()
                await expect(watched.page.locator("#result")).to_be_focused()
            if scene == "staff":
                for one in await watched.page.locator("summary").all():
                    await one.click()
            assert await watched.page.locator("html").get_attribute("lang") == language
            assert await accessibility_violations(watched.page) == []
            too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            assert not await watched.page.evaluate(too_wide)
            watched.complaints[:] = [one for one in watched.complaints if "Failed to load resource" not in one]

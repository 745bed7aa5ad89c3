"""Invitations, passkeys and sessions where much depends on the database: on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from console.test_console_attacks import INVITE, names, thief_of
from console.test_console_passkeys import events, refused, signing_in
from harness.console import COOKIE, ConsoleStage, console_staged
from harness.provider import everything_in
from tutela.demo.authenticator import Authenticator
from tutela.provider.review.people import Role
from tutela.provider.review.staff import IDLE, SHIFT


@pytest.fixture
async def console(home: Path) -> AsyncIterator[ConsoleStage]:
    async with console_staged(home) as made:
        yield made


async def test_an_invitation_works_once(console: ConsoleStage):
    _, secret = console.staff.invite("Anna", Role.REVIEWER, "Family", by=None)
    assert (await console.browser().join(secret)).status_code == 303
    await refused(await console.browser().join(secret), 410, "This link does not work any more")
    await refused(await console.browser().get(f"/invitation/{secret}"), 410, "This link does not work any more")


async def test_an_invitation_used_twice_at_once_makes_one_passkey(console: ConsoleStage):
    anna, secret = console.staff.invite("Anna", Role.REVIEWER, "Family", by=None)
    answers = await asyncio.gather(*(console.browser().join(secret) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [303, 410, 410, 410]
    assert len(console.staff.passkeys_of(anna.id)) == 1


async def test_a_newer_invitation_ends_the_older_one_and_all_that_came_of_it(console: ConsoleStage):
    visitor = await console.member("Anna", Role.REVIEWER)
    assert visitor.person is not None
    second = console.staff.invite_again(visitor.person.id, by=None)
    assert (await visitor.get("/queue")).status_code == 401
    await refused(await visitor.sign_in(), 403, "The passkey was not accepted")
    third = console.staff.invite_again(visitor.person.id, by=None)
    await refused(await console.browser().join(second), 410, "This link does not work any more")
    assert (await console.browser().join(third)).status_code == 303


async def test_one_passkey_is_not_two_peoples(console: ConsoleStage):
    first = await console.member("Anna", Role.REVIEWER)
    _, secret = console.staff.invite("Leo", Role.REVIEWER, "Family", by=None)
    again = console.browser(first.authenticator)
    await refused(await again.join(secret), 403, "The passkey was not accepted")
    assert (await console.browser().join(secret)).status_code == 303  # the link is not spent by that


async def test_an_answer_taken_at_once_by_many_signs_in_one(console: ConsoleStage):
    visitor = await console.member("Anna", Role.REVIEWER)
    answer = visitor.authenticator.sign((await visitor.options("/passkey/sign-in", {})).text)
    answers = await asyncio.gather(*(signing_in(console.browser(), answer) for _ in range(4)))
    assert sorted(one.status_code for one in answers) == [303, 403, 403, 403]


async def test_a_copy_of_a_passkey_is_refused_and_logged(console: ConsoleStage):
    visitor = await console.member("Anna", Role.REVIEWER)
    copy = Authenticator(**vars(visitor.authenticator))
    assert (await visitor.sign_in()).status_code == 303
    assert (await visitor.sign_in()).status_code == 303
    await refused(await console.browser(copy).sign_in(), 403, "The passkey was not accepted")
    assert events(console)[-1] == "passkey-suspected"
    assert (await visitor.sign_in()).status_code == 303  # who has the passkey is not locked out by the copy
    copy.count = 100
    assert (await console.browser(copy).sign_in()).status_code == 303  # the copy is ahead: nobody can tell yet
    await refused(await visitor.sign_in(), 403, "The passkey was not accepted")  # and now it shows
    assert events(console)[-1] == "passkey-suspected"


async def test_a_stolen_session_that_keeps_trying_ends(console: ConsoleStage):
    victim = await console.member("Anna", Role.ADMIN)
    thief = thief_of(console, victim)
    for _ in range(5):
        assert (await thief.send("/staff/invite", INVITE)).status_code == 403
    token = await thief.token()
    over = await thief.http.post("/staff/invite", data=INVITE | {"token": token})
    assert over.status_code == 401
    assert (await thief.get("/staff")).status_code == 401
    assert (await victim.sign_in()).status_code == 303  # nobody is locked out by it
    assert (await victim.send("/staff/invite", INVITE | {"name": "Leo"}, confirm=True)).status_code == 200
    assert names(console) == ["Anna", "Leo"]


async def test_an_answer_confirms_one_act_once(console: ConsoleStage):
    anna = await console.member("Anna", Role.ADMIN)
    answer = await anna.confirmation("/staff/invite", INVITE)
    fields = INVITE | {"token": await anna.token(), "assertion": answer}
    assert (await anna.http.post("/staff/invite", data=fields)).status_code == 200
    replayed = await anna.http.post("/staff/invite", data=fields)
    assert replayed.status_code == 403
    assert names(console) == ["Anna", "Mallory"]


async def test_signing_in_always_begins_a_new_session(console: ConsoleStage):
    """Session fixation: a cookie that somebody planted is not the one that is signed in."""
    anna = await console.member("Anna", Role.ADMIN)
    planted = "chosen-by-somebody"
    visitor = console.browser(anna.authenticator)
    visitor.http.cookies.set(COOKIE, planted, domain="localhost.local")
    answer = await visitor.sign_in()
    assert answer.cookies[COOKIE] not in (planted, anna.http.cookies[COOKIE])
    thief = console.browser()
    thief.http.cookies.set(COOKIE, planted, domain="localhost.local")
    assert (await thief.get("/staff")).status_code == 401


async def test_who_is_dismissed_is_out_at_once(console: ConsoleStage):
    anna, leo = await console.member("Anna", Role.ADMIN), await console.member("Leo", Role.REVIEWER)
    assert leo.person is not None
    assert (await leo.get("/queue")).status_code == 200
    gone = await anna.send("/staff/dismiss", {"staff": leo.person.id}, confirm=True)
    assert gone.status_code == 303
    assert (await leo.get("/queue")).status_code == 401
    assert (await leo.sign_in()).status_code == 403
    assert names(console) == ["Anna"]


async def test_a_session_ends_when_nobody_is_there_and_with_the_shift(console: ConsoleStage):
    anna = await console.member("Anna", Role.REVIEWER)
    console.provider.clock.forward(seconds=IDLE / 1000 - 60)
    assert (await anna.get("/queue")).status_code == 200
    console.provider.clock.forward(seconds=IDLE / 1000 - 60)
    assert (await anna.get("/queue")).status_code == 200  # that one counted
    console.provider.clock.forward(seconds=IDLE / 1000)
    assert (await anna.get("/queue")).status_code == 401
    await anna.sign_in()
    for _ in range(SHIFT // IDLE * 2 - 1):
        console.provider.clock.forward(seconds=IDLE / 2000)
        assert (await anna.get("/queue")).status_code == 200
    console.provider.clock.forward(seconds=IDLE / 2000)
    assert (await anna.get("/queue")).status_code == 401


async def test_a_signed_out_session_is_nothing(console: ConsoleStage):
    anna = await console.member("Anna", Role.REVIEWER)
    kept = thief_of(console, anna)
    await anna.send("/sign-out", {})
    assert COOKIE not in anna.http.cookies
    assert (await kept.get("/queue")).status_code == 401


async def test_nothing_secret_is_stored(console: ConsoleStage):
    _, secret = console.staff.invite("Anna", Role.ADMIN, "Family", by=None)
    visitor = console.browser()
    await visitor.join(secret)
    kept = everything_in(console.provider.settings.data.parent)
    assert secret.encode() not in kept
    assert visitor.http.cookies[COOKIE].encode() not in kept


async def test_no_zero_byte_reaches_the_database(console: ConsoleStage):
    visitor = await console.member("Anna", Role.REVIEWER)
    for path in ("/find?for=%00", "/media/%00/%00", "/second-looks/%00", "/appeal/%00", "/cases/1?report=a%00"):
        assert (await visitor.get(path)).status_code == 400, path

"""What an attacker tries: with a stolen cookie, from another page, with somebody else's answer, in a crowd."""

from __future__ import annotations

import pytest

from harness.console import COOKIE, ConsoleStage, Visitor
from tutela.provider.review.people import Role

INVITE = {"name": "Mallory", "organisation": "Elsewhere", "role": "admin"}


def names(console: ConsoleStage) -> list[str]:
    return sorted(member.person.name for member in console.staff.members() if member.dismissed is None)


def thief_of(console: ConsoleStage, victim: Visitor) -> Visitor:
    """Somebody with the victim's cookie, and a passkey of their own that is not known."""
    thief = console.browser()
    thief.http.cookies.set(COOKIE, victim.http.cookies[COOKIE], domain="localhost.local")
    return thief


async def test_a_stolen_cookie_can_look_and_cannot_act(console: ConsoleStage):
    victim = await console.member("Anna", Role.ADMIN)
    thief = thief_of(console, victim)
    assert (await thief.get("/staff")).status_code == 200
    without = await thief.send("/staff/invite", INVITE)
    assert without.status_code == 403
    assert "The passkey was not accepted" in without.text
    thief.authenticator.handle = victim.authenticator.handle
    for name in (victim.authenticator.id, thief.authenticator.id):
        thief.authenticator.id = name
        assert (await thief.send("/staff/invite", INVITE, confirm=True)).status_code == 403
    assert names(console) == ["Anna"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/staff/invite", INVITE | {"name": "Somebody else"}),
        ("/staff/invite", INVITE | {"role": "reviewer"}),
        ("/staff/invite", INVITE | {"more": "x"}),
        ("/staff/invite", {"name": "Mallory"}),
        ("/staff/invite-again", INVITE),
    ],
)
async def test_an_answer_for_another_act_confirms_nothing(console: ConsoleStage, path: str, fields: dict[str, str]):
    """What the passkey has signed stands for just these fields, sent to just this path."""
    anna = await console.member("Anna", Role.ADMIN)
    answer = await anna.confirmation("/staff/invite", INVITE)
    sent = fields | {"token": await anna.token(), "assertion": answer}
    assert (await anna.http.post(path, data=sent)).status_code == 403
    assert names(console) == ["Anna"]
    used = INVITE | {"token": await anna.token(), "assertion": answer}  # and it is spent
    assert (await anna.http.post("/staff/invite", data=used)).status_code == 403


async def test_an_answer_for_another_persons_act_confirms_nothing(console: ConsoleStage):
    """Two admins: the answer of one is no answer of the other's, whichever challenge it signs."""
    anna, leo = await console.member("Anna", Role.ADMIN), await console.member("Leo", Role.ADMIN)
    of_leo = await leo.confirmation("/staff/invite", INVITE)
    sent = INVITE | {"token": await anna.token(), "assertion": of_leo}
    assert (await anna.http.post("/staff/invite", data=sent)).status_code == 403
    asked = await anna.options("/passkey/confirm?to=/staff/invite", INVITE | {"token": await anna.token()})
    sent = INVITE | {"token": await anna.token(), "assertion": leo.authenticator.sign(asked.text)}
    assert (await anna.http.post("/staff/invite", data=sent)).status_code == 403
    assert names(console) == ["Anna", "Leo"]


async def test_an_answer_given_to_another_origin_confirms_nothing(console: ConsoleStage):
    anna = await console.member("Anna", Role.ADMIN)
    anna.authenticator.origin = "https://tutela.evil.example"
    assert (await anna.send("/staff/invite", INVITE, confirm=True)).status_code == 403
    assert names(console) == ["Anna"]


async def test_line_ends_are_not_another_act(console: ConsoleStage):
    """A browser sends a text's lines with CR LF, its script with LF."""
    anna = await console.member("Anna", Role.ADMIN)
    answer = await anna.confirmation("/staff/invite", INVITE | {"note": "one\ntwo"})
    sent = INVITE | {"note": "one\r\ntwo", "token": await anna.token(), "assertion": answer}
    assert (await anna.http.post("/staff/invite", data=sent)).status_code == 200


async def test_a_token_is_of_one_session(console: ConsoleStage):
    anna = await console.member("Anna", Role.ADMIN)
    before = await anna.token()
    await anna.sign_in()
    assert await anna.token() != before
    assert (await anna.http.post("/sign-out", data={"token": before})).status_code == 403


async def test_signing_in_over_a_session_ends_it(console: ConsoleStage):
    """A planted session of the attacker's own does not live on beside the victim's."""
    anna, mallory = await console.member("Anna", Role.ADMIN), await console.member("Mallory", Role.AUDITOR)
    victim = thief_of(console, mallory)
    victim.authenticator = anna.authenticator
    answer = await victim.sign_in()
    assert answer.status_code == 303
    assert (await mallory.get("/audit")).status_code == 401


async def test_a_crowd_locks_nobody_out(console: ConsoleStage):
    """Failures are counted, and what is right is never refused: whoever tries only ends their own noise."""
    anna = await console.member("Anna", Role.ADMIN)
    _, secret = console.staff.invite("Leo", Role.REVIEWER, "Family", by=None)
    crowd = console.browser()
    for _ in range(30):
        assert (await crowd.get("/invitation/guess")).status_code == 410
        assert (await crowd.http.post("/sign-in", data={"assertion": "guess"})).status_code == 403
    for answer in (
        await crowd.get("/invitation/guess"),
        await crowd.http.post("/sign-in", data={"assertion": "guess"}),
        await crowd.options("/passkey/register", {"invitation": "guess"}),
    ):
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= 300
    assert (await anna.sign_in()).status_code == 303
    assert (await console.browser().join(secret)).status_code == 303
    console.provider.clock.forward(seconds=300)
    assert (await crowd.get("/invitation/guess")).status_code == 410


async def test_asking_to_sign_in_uses_nothing_up(console: ConsoleStage):
    anna = await console.member("Anna", Role.ADMIN)
    crowd = console.browser()
    for _ in range(200):
        assert (await crowd.options("/passkey/sign-in", {})).status_code == 200
    with console.provider.provider.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM staff_challenge").scalar() == 0
    assert (await anna.sign_in()).status_code == 303


async def test_a_stolen_cookie_cannot_fill_the_store_of_challenges(console: ConsoleStage):
    anna = await console.member("Anna", Role.ADMIN)
    fields = {"token": await anna.token()}
    asked = [(await anna.options("/passkey/confirm?to=/staff/invite", fields)).status_code for _ in range(62)]
    assert asked == [200] * 60 + [429] * 2


async def test_a_stolen_cookie_keeps_nobody_from_acting_in_another_session(console: ConsoleStage):
    anna = await console.member("Anna", Role.ADMIN)
    thief = thief_of(console, anna)
    token = {"token": await thief.token()}
    for _ in range(61):
        await thief.options("/passkey/confirm?to=/staff/invite", token)

    await anna.sign_in()

    assert (await anna.send("/staff/invite", INVITE, confirm=True)).status_code == 200
    assert names(console) == ["Anna", "Mallory"]


async def test_nothing_secret_is_logged(console: ConsoleStage, caplog: pytest.LogCaptureFixture):
    _, secret = console.staff.invite("Anna", Role.ADMIN, "Family", by=None)
    visitor = console.browser()
    await visitor.join(secret)
    session = visitor.http.cookies[COOKIE]
    await visitor.send("/staff/invite", INVITE, confirm=True)
    said = "\n".join(record.line() for record in console.records)
    said += "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith(("httpx", "httpcore")))
    assert "/invitation/{secret}" in said
    for hidden in (secret, session, "Mallory"):
        assert hidden not in said


async def test_what_the_passkey_did_not_sign_is_not_heard(console: ConsoleStage):
    """The address's query is no part of what is confirmed: so it must be empty."""
    anna = await console.member("Anna", Role.ADMIN)
    sent = INVITE | {"token": await anna.token(), "assertion": await anna.confirmation("/staff/invite", INVITE)}
    assert (await anna.http.post("/staff/invite?role=admin", data=sent)).status_code == 400
    assert names(console) == ["Anna"]

"""Passkeys: made with an invitation, used to sign in and to confirm; and everything that is not one."""

from __future__ import annotations

import json
import secrets
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.console import COOKIE, ORIGIN, ConsoleStage, Visitor
from tutela.console.passkeys import Passkeys
from tutela.console.site import Site
from tutela.console.tickets import Tickets
from tutela.demo.authenticator import Authenticator, decoded, encoded
from tutela.provider.database import Database
from tutela.provider.errors import PasskeyRefused
from tutela.provider.review import audit
from tutela.provider.review.people import Role
from tutela.provider.review.staff import CHALLENGE, INVITATION, StaffStore


def events(console: ConsoleStage) -> list[str]:
    with console.provider.provider.database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT leaf FROM audit_leaf ORDER BY number")
        return [json.loads(bytes(row.leaf))["entry"]["event"] for row in rows]


async def test_an_invitation_makes_a_passkey_and_signs_in(console: ConsoleStage):
    anna, secret = console.staff.invite("Anna", Role.REVIEWER, "Family", by=None)
    visitor = console.browser()
    welcome = await visitor.get(f"/invitation/{secret}")
    assert welcome.status_code == 200
    assert "Welcome, Anna" in welcome.text
    joined = await visitor.join(secret)
    assert (joined.status_code, joined.headers["location"]) == (303, "/")
    assert (await visitor.get("/queue")).status_code == 200
    assert len(console.staff.passkeys_of(anna.id)) == 1
    assert events(console) == ["invited", "passkey-made", "signed-in"]


async def test_what_the_browser_is_asked_for(console: ConsoleStage):
    anna, secret = console.staff.invite("Anna", Role.REVIEWER, "Family", by=None)
    making = (await console.browser().options("/passkey/register", {"invitation": secret})).json()
    assert making["rp"] == {"name": "Tutela", "id": "localhost"}
    assert decoded(making["user"]["id"]) == anna.id.encode()
    assert making["authenticatorSelection"]["userVerification"] == "required"
    assert making["authenticatorSelection"]["residentKey"] == "required"
    assert making["attestation"] == "none"
    signing = (await console.browser().options("/passkey/sign-in", {})).json()
    assert (signing["rpId"], signing["userVerification"]) == ("localhost", "required")
    assert signing["allowCredentials"] == []  # whoever asks learns of nobody
    visitor = await console.member("Leo", Role.ADMIN)
    fields = {"token": await visitor.token(), "staff": "x"}
    confirming = (await visitor.options("/passkey/confirm?to=/staff/dismiss", fields)).json()
    assert [one["id"] for one in confirming["allowCredentials"]] == [encoded(visitor.authenticator.id)]
    assert confirming["userVerification"] == "required"


async def test_signing_out_and_in_again(console: ConsoleStage):
    visitor = await console.member("Anna", Role.REVIEWER)
    out = await visitor.send("/sign-out", {})
    assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
    assert (await visitor.get("/queue")).status_code == 401
    back = await visitor.sign_in()
    assert (back.status_code, back.headers["location"]) == (303, "/")
    assert (await visitor.get("/queue")).status_code == 200
    assert (await visitor.get("/sign-in")).status_code == 303  # nothing to do there


@pytest.mark.parametrize(
    ("wanted", "got"),
    [("/cases/3", "/cases/3"), ("//evil.example", "/"), ("https://evil.example", "/"), ("/\\evil", "/"), ("", "/")],
)
async def test_signing_in_goes_on_to_a_page_of_ours_only(console: ConsoleStage, wanted: str, got: str):
    visitor = await console.member("Anna", Role.REVIEWER)
    asked = await visitor.options("/passkey/sign-in", {})
    fields = {"assertion": visitor.authenticator.sign(asked.text), "next": wanted}
    assert (await visitor.http.post("/sign-in", data=fields)).headers["location"] == got


async def test_who_was_sent_away_comes_back_to_the_same_page(console: ConsoleStage):
    page = await console.browser().get("/audit")
    assert page.status_code == 401
    assert 'name="next" value="/audit"' in page.text


async def refused(answer: httpx.Response, status: int, words: str) -> None:
    assert answer.status_code == status, answer.text
    assert words in answer.text
    assert COOKIE not in answer.headers.get("set-cookie", "")


async def test_an_invitation_runs_out(console: ConsoleStage):
    _, secret = console.staff.invite("Anna", Role.REVIEWER, "Family", by=None)
    visitor = console.browser()
    asked = await visitor.options("/passkey/register", {"invitation": secret})
    console.provider.clock.forward(seconds=INVITATION / 1000)
    await refused(await visitor.get(f"/invitation/{secret}"), 410, "This link does not work any more")
    late = {"assertion": visitor.authenticator.make(asked.text)}
    await refused(await visitor.http.post(f"/invitation/{secret}", data=late), 410, "does not work any more")


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://localhost:8472"},
        {"origin": "http://127.0.0.1:8471"},
        {"rp_id": "evil.example"},
        {"verified": False},
    ],
)
async def test_a_passkey_made_or_used_elsewhere_is_refused(console: ConsoleStage, changes: dict[str, Any]):
    """Another origin (a page that looks like ours), another domain, or a touch without a finger or PIN."""
    _, secret = console.staff.invite("Anna", Role.REVIEWER, "Family", by=None)
    strange = console.browser(Authenticator(**{"origin": ORIGIN, **changes}))
    await refused(await strange.join(secret), 403, "The passkey was not accepted")
    known = await console.member("Leo", Role.REVIEWER)
    for name, value in changes.items():
        setattr(known.authenticator, name, value)
    await refused(await known.sign_in(), 403, "The passkey was not accepted")


async def signing_in(visitor: Visitor, answer: str) -> httpx.Response:
    return await visitor.http.post("/sign-in", data={"assertion": answer})


async def test_an_answer_is_taken_once(console: ConsoleStage):
    visitor = await console.member("Anna", Role.REVIEWER)
    asked = await visitor.options("/passkey/sign-in", {})
    answer = visitor.authenticator.sign(asked.text)
    assert (await signing_in(visitor, answer)).status_code == 303
    await refused(await signing_in(console.browser(), answer), 403, "The passkey was not accepted")
    again = visitor.authenticator.sign(asked.text)  # signed anew, over the same challenge
    await refused(await signing_in(console.browser(), again), 403, "The passkey was not accepted")


async def test_an_answer_comes_in_time(console: ConsoleStage):
    visitor = await console.member("Anna", Role.REVIEWER)
    asked = await visitor.options("/passkey/sign-in", {})
    console.provider.clock.forward(seconds=CHALLENGE / 1000)
    await refused(await signing_in(visitor, visitor.authenticator.sign(asked.text)), 403, "not accepted")


async def test_a_challenge_is_for_its_purpose(console: ConsoleStage):
    """One for confirming does not sign in, one for signing in does not confirm, and neither registers."""
    visitor = await console.member("Anna", Role.ADMIN)
    to_confirm = await visitor.confirmation("/staff/dismiss", {"staff": "x"})
    await refused(await signing_in(console.browser(), to_confirm), 403, "not accepted")
    to_sign_in = visitor.authenticator.sign((await visitor.options("/passkey/sign-in", {})).text)
    sent = {"staff": "x", "token": await visitor.token(), "assertion": to_sign_in}
    await refused(await visitor.http.post("/staff/dismiss", data=sent), 403, "not accepted")
    _, secret = console.staff.invite("Leo", Role.REVIEWER, "Family", by=None)
    mixed = json.loads((await console.browser().options("/passkey/register", {"invitation": secret})).text)
    mixed["challenge"] = json.loads((await visitor.options("/passkey/sign-in", {})).text)["challenge"]
    made = Authenticator(ORIGIN).make(json.dumps(mixed))
    await refused(await console.browser().http.post(f"/invitation/{secret}", data={"assertion": made}), 403, "not")


@pytest.mark.parametrize("client", [{"type": "webauthn.create"}, {"crossOrigin": True}, {"origin": "http://localhost"}])
async def test_what_the_browser_says_of_itself_must_fit(console: ConsoleStage, client: dict[str, Any]):
    """Another kind of act, a page within somebody else's page, another origin."""
    visitor = await console.member("Anna", Role.REVIEWER)
    asked = await visitor.options("/passkey/sign-in", {})
    await refused(await signing_in(visitor, visitor.authenticator.sign(asked.text, **client)), 403, "not accepted")


async def test_a_count_under_a_bad_signature_says_nothing(console: ConsoleStage):
    visitor = await console.member("Anna", Role.REVIEWER)
    await visitor.sign_in()
    forged = Authenticator(ORIGIN, id=visitor.authenticator.id, handle=visitor.authenticator.handle)
    await refused(await console.browser(forged).sign_in(), 403, "The passkey was not accepted")
    assert "passkey-suspected" not in events(console)


async def test_a_passkey_that_does_not_count_is_accepted(console: ConsoleStage):
    """Synchronised passkeys always say 0."""
    visitor = await console.member("Anna", Role.REVIEWER)
    for _ in range(3):
        visitor.authenticator.count = -1
        assert (await visitor.sign_in()).status_code == 303


async def test_a_passkey_names_its_person(console: ConsoleStage):
    visitor = await console.member("Anna", Role.REVIEWER)
    other = await console.member("Leo", Role.REVIEWER)
    visitor.authenticator.handle = other.authenticator.handle
    await refused(await visitor.sign_in(), 403, "The passkey was not accepted")


@pytest.fixture(scope="module")
def passkeys(tmp_path_factory: pytest.TempPathFactory) -> Passkeys:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('passkeys')}/provider.sqlite")
    database.migrate()
    staff = StaffStore(database, lambda: 1, secrets.token_bytes)
    return Passkeys(staff, Site(ORIGIN), Tickets(lambda: 1, secrets.token_bytes, bytes(32)))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary().map(encoded),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
PARTS = ("clientDataJSON", "authenticatorData", "signature", "userHandle", "attestationObject")


@given(st.dictionaries(st.sampled_from(["id", "rawId", "type", "response"]), ANYTHING), st.data())
def test_nonsense_is_refused_and_nothing_else(passkeys: Passkeys, answer: dict[str, Any], data: st.DataObject):
    if data.draw(st.booleans()):
        client = {"type": "webauthn.get", "challenge": encoded(passkeys.tickets.give()), "origin": ORIGIN}
        response = data.draw(st.dictionaries(st.sampled_from(PARTS), ANYTHING))
        name = encoded(data.draw(st.binary(min_size=1, max_size=64)))
        answer |= {"id": name, "rawId": name, "type": "public-key"}
        answer["response"] = response | {"clientDataJSON": encoded(json.dumps(client).encode())}
    with pytest.raises(PasskeyRefused):
        passkeys.sign_in(json.dumps(answer))


@pytest.mark.parametrize("answer", ["", "{", "[]", "null", "7", '{"response":7}', "[" * 5000, "x" * 40_000])
def test_what_is_no_answer_at_all(passkeys: Passkeys, answer: str):
    with pytest.raises(PasskeyRefused):
        passkeys.sign_in(answer)


@given(st.data())
def test_a_passkey_whose_bytes_were_changed_is_refused(passkeys: Passkeys, data: st.DataObject):
    """One byte of what was made, anywhere: it is refused as any other nonsense, never a mistake of ours."""
    _, secret = passkeys.staff.invite("Anna", Role.REVIEWER, "Family", by=None)
    made = json.loads(Authenticator(ORIGIN).make(passkeys.registration(secret)))
    raw = bytearray(decoded(made["response"]["attestationObject"]))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    made["response"]["attestationObject"] = encoded(bytes(raw))
    try:
        passkeys.register(secret, json.dumps(made))
    except PasskeyRefused:
        pass
    else:  # what is not signed here, such as the number of uses, may be anything
        assert passkeys.staff.members()


def test_tickets_are_ours_and_fresh():
    now = [1_000_000]
    ours = Tickets(lambda: now[0], secrets.token_bytes, bytes(32))
    ticket = ours.give()
    ours.check(ticket)
    theirs = Tickets(lambda: now[0], secrets.token_bytes, b"\x01" * 32)
    for other in (b"", bytes(56), ticket[:-1], b"\xff" + ticket[1:], theirs.give()):
        with pytest.raises(PasskeyRefused):
            ours.check(other)
    ours.take(ticket)
    for again in (ours.check, ours.take):
        with pytest.raises(PasskeyRefused):
            again(ticket)
    later = ours.give()
    now[0] += CHALLENGE
    with pytest.raises(PasskeyRefused):
        ours.check(later)
    ours.take(ours.give())
    assert len(ours._taken) == 1  # what has run out is forgotten


def test_audit_names_nobody_by_name(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/provider.sqlite")
    database.migrate()
    staff = StaffStore(database, lambda: 1, secrets.token_bytes)
    staff.invite("Anna Annason", Role.REVIEWER, "Family", by=None)
    with database.reading() as connection:
        leaves = connection.exec_driver_sql("SELECT leaf FROM audit_leaf").scalars().all()
    assert leaves
    assert not any(b"Anna" in leaf for leaf in leaves)
    assert audit.verify(database).size == 1

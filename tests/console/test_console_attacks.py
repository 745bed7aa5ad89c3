"""What an attacker tries: with a stolen cookie, from another page, with somebody else's answer, in a crowd."""

from __future__ import annotations

import json

import httpx
import pytest

from harness.console import COOKIE, ORIGIN, ConsoleStage, Visitor, console_staged
from tutela.console.fence import HEADERS
from tutela.console.site import Site
from tutela.provider.review.people import Role
from tutela.provider.review.staff import IDLE, SHIFT

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


@pytest.mark.parametrize("token", ["", "0" * 64, "é", "x" * 5000])
async def test_a_form_without_its_token_does_nothing(console: ConsoleStage, token: str):
    anna = await console.member("Anna", Role.ADMIN)
    answer = await anna.confirmation("/staff/invite", INVITE)
    assert (
        await anna.http.post("/staff/invite", data=INVITE | {"token": token, "assertion": answer})
    ).status_code == 403
    assert (await anna.http.post("/sign-out", data={"token": token})).status_code == 403
    assert names(console) == ["Anna"]
    assert (await anna.get("/staff")).status_code == 200


async def test_a_token_is_of_one_session(console: ConsoleStage):
    anna = await console.member("Anna", Role.ADMIN)
    before = await anna.token()
    await anna.sign_in()
    assert await anna.token() != before
    assert (await anna.http.post("/sign-out", data={"token": before})).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:1"},
        {"origin": "http://127.0.0.1:8471"},
        {"origin": ORIGIN + ".evil.example"},
        {"origin": ORIGIN, "sec-fetch-site": "cross-site"},
        {"origin": ORIGIN, "sec-fetch-site": "same-site"},
        {"origin": "", "sec-fetch-site": "same-origin"},
    ],
)
@pytest.mark.parametrize("path", ["/staff/invite", "/sign-out", "/sign-in", "/passkey/confirm", "/passkey/sign-in"])
async def test_a_form_on_another_page_does_nothing(console: ConsoleStage, headers: dict[str, str], path: str):
    anna = await console.member("Anna", Role.ADMIN)
    fields = {"token": await anna.token(), "x": ""}
    assert (await anna.http.post(path, data=fields, headers=headers)).status_code == 403
    assert (await anna.get("/staff")).status_code == 200


async def test_a_form_without_any_origin_does_nothing(console: ConsoleStage):
    anna = await console.member("Anna", Role.ADMIN)
    token = await anna.token()
    del anna.http.headers["origin"]
    assert (await anna.http.post("/sign-out", data={"token": token})).status_code == 403
    own = await anna.http.post("/sign-out", data={"token": token}, headers={"sec-fetch-site": "same-origin"})
    assert own.status_code == 303


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:8471", "localhost", "localhost:1", "", "[::1]:8471"])
async def test_another_host_is_refused(console: ConsoleStage, host: str):
    """A website that rebinds its own name to this machine; and 127.0.0.1, where no passkey works, is told where to."""
    anna = await console.member("Anna", Role.ADMIN)
    for path in ("/", "/staff", "/static/console.css"):
        answer = await anna.get(path, host=host)
        assert answer.status_code == 421
        assert ORIGIN in answer.text
        assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("mode", "target", "status"),
    [("no-cors", "image", 403), ("cors", "empty", 403), ("navigate", "iframe", 403), ("navigate", "document", 200)],
)
async def test_other_pages_may_only_link_here(console: ConsoleStage, mode: str, target: str, status: int):
    anna = await console.member("Anna", Role.ADMIN)
    for site in ("cross-site", "same-site"):
        headers = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": target}
        assert (await anna.get("/staff", **headers)).status_code == status


@pytest.mark.parametrize("path", ["/staff", "/sign-in", "/queue", "/nothing", "/invitation/x", "/static/passkeys.js"])
async def test_every_answer_forbids_what_pages_do_not_need(console: ConsoleStage, path: str):
    anna = await console.member("Anna", Role.ADMIN)
    answer = await anna.get(path)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert answer.headers["cache-control"] == ("no-cache" if path.startswith("/static/") else "no-store")
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert not any(word in policy for word in ("unsafe", "http:", "https:", "data:", "blob:", "*"))
    assert "<style" not in answer.text
    assert "style=" not in answer.text
    assert "onclick" not in answer.text


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


async def test_signing_in_over_a_session_ends_it(console: ConsoleStage):
    """A planted session of the attacker's own does not live on beside the victim's."""
    anna, mallory = await console.member("Anna", Role.ADMIN), await console.member("Mallory", Role.AUDITOR)
    victim = thief_of(console, mallory)
    victim.authenticator = anna.authenticator
    answer = await victim.sign_in()
    assert answer.status_code == 303
    assert (await mallory.get("/audit")).status_code == 401


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


@pytest.mark.parametrize("to", ["", "staff", "https://evil.example", "/" + "x" * 2000])
async def test_only_a_path_of_ours_is_confirmed(console: ConsoleStage, to: str):
    anna = await console.member("Anna", Role.ADMIN)
    answer = await anna.options(f"/passkey/confirm?to={to}", {"token": await anna.token()})
    assert answer.status_code == 400


async def test_a_script_is_told_in_words(console: ConsoleStage):
    answer = await console.browser().options("/passkey/register", {"invitation": "x"})
    assert answer.headers["content-type"] == "application/json"
    assert set(json.loads(answer.text)) == {"title", "text"}


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"x", "text/plain", 415),
        (b"--b--", "multipart/form-data; boundary=b", 415),
        (b"name=" + b"x" * 200_000, "application/x-www-form-urlencoded", 413),
        (b"name=%00", "application/x-www-form-urlencoded", 400),
        (b"name=%ff", "application/x-www-form-urlencoded", 403),  # read as something, which nobody confirmed
        (b"", "application/x-www-form-urlencoded", 403),
    ],
)
async def test_what_is_no_form_of_ours(console: ConsoleStage, content: bytes, kind: str, status: int):
    anna = await console.member("Anna", Role.ADMIN)
    answer = await anna.http.post("/staff/invite", content=content, headers={"content-type": kind})
    assert answer.status_code == status
    assert names(console) == ["Anna"]


async def test_what_was_written_is_not_lost_when_the_session_is(console: ConsoleStage):
    anna = await console.member("Anna", Role.ADMIN)
    token = await anna.token()
    console.provider.clock.forward(seconds=IDLE / 1000)
    answer = await anna.http.post("/staff/invite", data=INVITE | {"name": "<b>Leo</b>", "token": token})
    assert answer.status_code == 401
    assert "What you wrote" in answer.text
    assert "&lt;b&gt;Leo&lt;/b&gt;" in answer.text
    assert "Sign in with your passkey" in answer.text


async def test_a_mistake_of_ours_says_nothing_about_itself(console: ConsoleStage, monkeypatch: pytest.MonkeyPatch):
    anna = await console.member("Anna", Role.ADMIN)

    def broken(*_: object) -> None:
        raise RuntimeError("the secret is in here")

    monkeypatch.setattr(type(console.staff), "members", broken)
    answer = await anna.get("/staff")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


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


async def test_nothing_secret_is_stored(console: ConsoleStage):
    from harness.provider import everything_in

    _, secret = console.staff.invite("Anna", Role.ADMIN, "Family", by=None)
    visitor = console.browser()
    await visitor.join(secret)
    kept = everything_in(console.provider.settings.data.parent)
    assert secret.encode() not in kept
    assert visitor.http.cookies[COOKIE].encode() not in kept


def cookie_of(answer: httpx.Response) -> str:
    return next(line for line in answer.headers.get_list("set-cookie") if "language" not in line)


async def test_the_cookie_is_as_closed_as_cookies_can_be(console: ConsoleStage, tmp_path_factory):
    _, secret = console.staff.invite("Anna", Role.ADMIN, "Family", by=None)
    plain = cookie_of(await console.browser().join(secret))
    assert plain.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(plain.split("; "))
    assert "Domain" not in plain
    site = Site("https://review.example.org")
    async with console_staged(tmp_path_factory.mktemp("tls"), site=site) as behind_tls:
        _, secret = behind_tls.staff.invite("Anna", Role.ADMIN, "Family", by=None)
        answer = await behind_tls.browser().join(secret)
        secure = cookie_of(answer)
        assert secure.startswith(f"__Host-{COOKIE}=")
        assert {"HttpOnly", "SameSite=strict", "Path=/", "Secure"} <= set(secure.split("; "))
        assert "Domain" not in secure
        assert "max-age" in answer.headers["strict-transport-security"]
        making = await behind_tls.browser().options("/passkey/sign-in", {})
        assert json.loads(making.text)["rpId"] == "review.example.org"


async def test_the_language_is_chosen_and_remembered(console: ConsoleStage):
    visitor = console.browser(**{"accept-language": "fr-CA, en;q=0.5"})
    assert 'lang="fr"' in (await visitor.get("/sign-in")).text
    assert '<html lang="en">' in (await visitor.get("/sign-in?lang=en")).text
    assert '<html lang="en">' in (await visitor.get("/sign-in")).text
    assert '<html lang="en">' in (await visitor.get("/sign-in?lang=xx")).text
    other = console.browser(**{"accept-language": "nl, de"})
    assert '<html lang="en">' in (await other.get("/sign-in")).text

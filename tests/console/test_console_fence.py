"""What keeps other pages out, what every answer says, and forms that are none: no matter what is stored."""

from __future__ import annotations

import json
import re

import httpx
import pytest

from console.test_console_attacks import INVITE, names
from harness.console import COOKIE, ORIGIN, ConsoleStage, console_staged
from tutela.console.fence import HEADERS
from tutela.console.site import Site
from tutela.provider.review.people import Role
from tutela.provider.review.staff import IDLE


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
async def test_a_form_on_another_page_does_nothing(console: ConsoleStage, headers: dict[str, str]):
    anna = await console.member("Anna", Role.ADMIN)
    fields = {"token": await anna.token(), "x": ""}
    for path in ("/staff/invite", "/sign-out", "/sign-in", "/passkey/confirm", "/passkey/sign-in", "/appeal/x"):
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


@pytest.mark.parametrize("path", ["///evil.example/x", "/%2Fevil.example", "/%5Cevil.example"])
async def test_the_other_language_leads_to_no_other_site(console: ConsoleStage, path: str):
    page = await console.browser().get(path)

    [link] = re.findall(r'class="language" href="([^"]*)"', page.text)
    assert page.status_code == 404
    assert re.match(r"/(?![/\\])", link)


async def test_the_other_language_leads_to_no_other_site_past_a_tab(console: ConsoleStage):
    """Browsers, and the parser here, leave tabs out."""
    page = await console.browser().get("/%09/evil.example")

    assert 'class="language" href="/evil.example?lang=fr"' in page.text

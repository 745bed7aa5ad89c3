"""Other pages, other machines and other programs stay out."""

from __future__ import annotations

import logging

import httpx
import pytest

from chat.conftest import Running
from tutela.chat.fence import HEADERS


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost.evil.example:{port}",
        "",
        "[::1]:{port}",
    ],
)
async def test_another_host_is_refused(running: Running, host: str):
    """DNS rebinding: the attacker's name now resolves to this machine, and the browser sends that name."""
    host = host.format(port=httpx.URL(running.origin).port)
    for path in ("", "help", "events", "/static/chat.css"):
        assert (await running.mia.get(running.at(path), headers={"Host": host})).status_code == 421


async def test_localhost_is_this_page_too(running: Running):
    host = f"localhost:{httpx.URL(running.origin).port}"
    assert (await running.mia.get("", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "{origin}.evil.example"},
        {"Origin": "{origin}", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "{origin}", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "none"},
        {},
    ],
)
@pytest.mark.parametrize("path", ["text", "choose", "send", "discard", "show/e1", "hide/e1", "accept/e1"])
async def test_a_forged_form_is_refused(running: Running, headers: dict[str, str], path: str):
    """Cross-site request forgery, also from another port of this machine, which counts as the same site."""
    headers = {name: value.format(origin=running.origin) for name, value in headers.items()}
    async with running.browser(0, headers) as stranger:
        assert (await stranger.post(path, data={"text": "forged"})).status_code == 403
    assert running.pair.mias.events == ()


async def test_a_browser_without_an_origin_header_may_post_from_this_page(running: Running):
    async with running.browser(0, {"Sec-Fetch-Site": "same-origin"}) as own:
        answer = await own.post("text", data={"text": "hi"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("mode", "target", "status"),
    [
        ("no-cors", "image", 403),
        ("no-cors", "script", 403),
        ("cors", "empty", 403),
        ("navigate", "iframe", 403),
        ("navigate", "document", 200),
    ],
)
async def test_other_pages_may_only_link_here(running: Running, mode: str, target: str, status: int):
    for site in ("cross-site", "same-site"):
        headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": target}
        assert (await running.mia.get("", headers=headers)).status_code == status


@pytest.mark.parametrize("path", ["", "help", "/static/chat.js", "/w/unknown/", "/nothing", "picture/unknown"])
async def test_every_answer_forbids_what_the_page_does_not_need(running: Running, path: str):
    answer = await running.mia.get(running.at(path))
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert answer.headers["Cache-Control"] == "no-store"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert not any(word in policy for word in ("unsafe", "http:", "https:", "data:", "blob:", "*"))


async def test_refusals_have_the_headers_too(running: Running):
    answer = await running.mia.get("", headers={"Host": "evil.example"})
    assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


async def test_an_unexpected_error_says_nothing_about_itself(running: Running, monkeypatch: pytest.MonkeyPatch):
    def broken(_text: str) -> None:
        raise RuntimeError("the secret is in here")

    monkeypatch.setattr(running.pair.mias, "say", broken)
    answer = await running.mia.post("text", data={"text": "hi"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_link_opens_one_window_only(running: Running):
    """Nothing of a window can be had with another's token, or with none."""
    other = httpx.URL(running.links.windows[1]).path
    for path in ("/w//", "/w/x/", "/w/x/events", "/w/x/help", other[:-2] + "/", "/s/x/", "/s/x/events", "/"):
        assert (await running.mia.get(running.at(path))).status_code == 404
    assert running.pair.mias.token != running.pair.leos.token
    assert len(running.pair.mias.token) >= 32


async def test_no_secret_is_logged(served: Running, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        await served.mia.get("")
        await served.mia.post("text", data={"text": "a private word"})
    said = "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))
    )
    assert served.pair.mias.token not in said
    assert "a private word" not in said

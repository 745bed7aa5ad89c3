"""Who may see what: the whole table, so that a new page without a decision fails here."""

from __future__ import annotations

import httpx
import pytest
from starlette.routing import Mount, Route

from harness.console import COOKIE, ConsoleStage
from tutela.console.app import PAGES
from tutela.provider.review.people import Role

ALL = {"reviewer", "partner", "admin", "auditor", "nobody"}
SIGNED_IN = ALL - {"nobody"}
REVIEWER, PARTNER, ADMIN, AUDITOR = {"reviewer"}, {"partner"}, {"admin"}, {"auditor"}

#: By method and path: who may, and whether the passkey confirms it.
TABLE = {
    ("GET", "/"): (SIGNED_IN, False),
    ("GET", "/sign-in"): (ALL, False),
    ("POST", "/sign-in"): (ALL, False),
    ("POST", "/sign-out"): (SIGNED_IN, False),
    ("GET", "/invitation/{secret}"): (ALL, False),
    ("POST", "/invitation/{secret}"): (ALL, False),
    ("POST", "/passkey/sign-in"): (ALL, False),
    ("POST", "/passkey/register"): (ALL, False),
    ("POST", "/passkey/confirm"): (SIGNED_IN, False),
    ("GET", "/queue"): (REVIEWER, False),
    ("GET", "/waiting"): (REVIEWER | PARTNER, False),
    ("GET", "/find"): (REVIEWER, False),
    ("GET", "/cases/{case:int}"): (REVIEWER | PARTNER, False),
    ("POST", "/cases/{case:int}/take"): (REVIEWER, False),
    ("POST", "/cases/{case:int}/put-back"): (REVIEWER, False),
    ("POST", "/cases/{case:int}/decide"): (REVIEWER, True),
    ("POST", "/cases/{case:int}/notes"): (REVIEWER | PARTNER, False),
    ("POST", "/decisions/{decision}/second"): (REVIEWER | PARTNER, True),
    ("POST", "/decisions/{decision}/refuse"): (REVIEWER | PARTNER, True),
    ("POST", "/decisions/{decision}/undo"): (REVIEWER, True),
    ("POST", "/decisions/{decision}/answer"): (REVIEWER | PARTNER, True),
    ("GET", "/media/{report}/{sha256}"): (REVIEWER | PARTNER, False),
    ("GET", "/media/{report}/{sha256}/blurred"): (REVIEWER | PARTNER, False),
    ("POST", "/media/{report}/{sha256}/look"): (REVIEWER | PARTNER, False),
    ("POST", "/media/{report}/{sha256}/show"): (REVIEWER | PARTNER, False),
    ("GET", "/media/{report}/{sha256}/{look}"): (REVIEWER | PARTNER, False),
    ("POST", "/media/seen"): (REVIEWER | PARTNER, False),
    ("POST", "/media/{report}/{sha256}/save"): (REVIEWER | PARTNER, False),
    ("GET", "/second-looks"): (REVIEWER, False),
    ("POST", "/second-looks"): (REVIEWER, False),
    ("GET", "/second-looks/{sample}"): (REVIEWER, False),
    ("POST", "/second-looks/{sample}"): (REVIEWER, False),
    ("GET", "/agreement"): (ADMIN | AUDITOR, False),
    ("GET", "/appeal/{token}"): (ALL, False),
    ("POST", "/appeal/{token}"): (ALL, False),
    ("GET", "/staff"): (ADMIN, False),
    ("POST", "/staff/invite"): (ADMIN, True),
    ("POST", "/staff/invite-again"): (ADMIN, True),
    ("POST", "/staff/dismiss"): (ADMIN, True),
    ("GET", "/audit"): (AUDITOR, False),
    ("POST", "/audit/verify"): (AUDITOR, False),
    ("GET", "/audit/checkpoint"): (AUDITOR, False),
    ("GET", "/audit/leaves"): (AUDITOR, False),
}
STATIC = {"/static"}
#: What stands for the places in paths.
PLACES = {
    "{secret}": "unknown",
    "{token}": "unknown",
    "{case:int}": "1",
    "{decision}": "0" * 32,
    "{sample}": "0" * 32,
    "{report}": "0" * 64,
    "{sha256}": "0" * 64,
    "{look}": "grey",
}


def filled(path: str) -> str:
    for place, value in PLACES.items():
        path = path.replace(place, value)
    assert "{" not in path, f"say in PLACES what stands for the places of {path}"
    return path


def test_every_route_is_in_the_table(console: ConsoleStage):
    routes = {
        (method, route.path)
        for route in console.app.routes
        if isinstance(route, Route) and not route.path.startswith("/static/")
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert routes == set(TABLE)
    others = {route.path for route in console.app.routes if isinstance(route, Route | Mount)} - {p for _, p in TABLE}
    assert others == STATIC


def test_what_harms_or_lets_in_is_confirmed():
    assert {(page.method, page.path): page.confirmed for page in PAGES} == {k: c for k, (_, c) in TABLE.items()}


@pytest.mark.parametrize("role", sorted(ALL))
async def test_each_role_sees_what_it_needs_and_no_more(console: ConsoleStage, role: str):
    visitor = console.browser()
    person = None
    if role != "nobody":
        person, _ = console.staff.invite("Somebody", Role(role), "Family", by=None)
    seen = {}
    for method, path in TABLE:
        token = ""
        if person is not None:  # anew each time: signing out is among what is tried
            visitor.http.cookies.set(COOKIE, console.staff.sign_in(person.id), domain="localhost.local")
            token = await visitor.token()
        if method == "GET":
            answer = await visitor.get(filled(path))
        else:
            answer = await visitor.http.post(filled(path), data={"token": token, "x": ""})
        seen[(method, path)] = allowed(answer)
    assert seen == {page: role in who for page, (who, _) in TABLE.items()}


def allowed(answer: httpx.Response) -> bool:
    """Whether an answer is anything else than that this is for somebody else, or for who is signed in."""
    refused = answer.status_code in (401, 403) and ("This is for somebody else" in answer.text or away(answer))
    assert answer.status_code < 500
    return not refused


def away(answer: httpx.Response) -> bool:
    return answer.status_code == 401 and "Please sign in" in answer.text


async def test_a_head_asks_as_a_get_does(console: ConsoleStage):
    visitor = await console.member("Anna", Role.AUDITOR)
    for (method, path), (who, _) in TABLE.items():
        if method == "GET":
            answer = await visitor.http.head(filled(path))
            assert (answer.status_code == 403) == ("auditor" not in who), path
            assert answer.content == b""


async def test_other_methods_and_paths_are_answered_without_a_session(console: ConsoleStage):
    visitor = console.browser()
    assert (await visitor.get("/nothing")).status_code == 404
    assert (await visitor.get("/sign-in/")).status_code == 404
    assert (await visitor.http.put("/staff")).status_code == 405
    assert (await visitor.http.delete("/staff")).status_code == 405


@pytest.mark.parametrize(("role", "home"), [("reviewer", "/queue"), ("partner", "/waiting"), ("admin", "/staff")])
async def test_each_role_begins_somewhere(console: ConsoleStage, role: str, home: str):
    visitor = await console.member("Anna", Role(role))
    assert (await visitor.get("/")).headers["location"] == home
    page = await visitor.get(home)
    assert page.status_code == 200
    assert f'href="{home}" aria-current="page"' in page.text

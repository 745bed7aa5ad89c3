"""The console as an ASGI application.

Every page is declared with who may see it (`pages`), and here is the one way to it: who asks is found out, the
permission is checked, the form's token, and the passkey where the page wants it. Then the page runs.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from tutela.console import appeals, case, entrance, media, queue, second_looks
from tutela.console import audit as audit_pages
from tutela.console import staff as staff_pages
from tutela.console.fence import HEADERS, Fence
from tutela.console.forms import ASSERTION, TOKEN, Form, read_form
from tutela.console.limits import Limit
from tutela.console.looks import Looks, choose_language
from tutela.console.pages import Page, Who
from tutela.console.passkeys import Passkeys
from tutela.console.refusals import refusal
from tutela.console.site import Site
from tutela.console.tickets import Tickets
from tutela.console.visit import LANGUAGE, SESSION, Console, Visit
from tutela.matching.voprf import RandomBytes
from tutela.provider.access import AccessLog, Sink
from tutela.provider.errors import NotSignedIn, PasskeyRefused
from tutela.provider.review.checkpoints import Checkpoints
from tutela.provider.review.decisions import Decisions
from tutela.provider.review.people import Person
from tutela.provider.review.staff import StaffStore
from tutela.provider.service import Provider
from tutela.transparency.note import SigningKey

#: All pages that there are.
PAGES: Final[tuple[Page, ...]] = (
    *entrance.pages,
    *queue.pages,
    *case.pages,
    *media.pages,
    *second_looks.pages,
    *appeals.pages,
    *staff_pages.pages,
    *audit_pages.pages,
)
_MINUTE: Final = 60_000
#: Its own, and what it shares with the chat page.
_STATIC: Final[list[str | tuple[str, str]]] = [("tutela.console", "static"), ("tutela", "static")]


def create_console(
    provider: Provider,
    staff: StaffStore,
    decisions: Decisions,
    *,
    site: Site,
    signer: SigningKey,
    random: RandomBytes,
    sink: Sink,
) -> Starlette:
    """Return the console of `provider` at `site`.

    Args:
        provider: whose console it is.
        staff: who may come in.
        decisions: what they decide.
        site: the address at which browsers reach it. Any other is refused.
        signer: signs the audit log's checkpoints.
        random: where challenges come from.
        sink: is given one record of each request.
    """
    clock = provider.clock
    console = Console(
        provider=provider,
        staff=staff,
        decisions=decisions,
        checkpoints=Checkpoints(provider.database, signer, provider.settings.audit_checkpoint),
        site=site,
        passkeys=Passkeys(staff, site, Tickets(clock, random, random(32))),
        looks=Looks(),
        failures=Limit(clock, 60, 5 * _MINUTE),
        asking=Limit(clock, 60, 5 * _MINUTE),
        doubts=Limit(clock, 5, 30 * _MINUTE),
    )
    routes: list[BaseRoute] = [
        Route(page.path, _endpoint(console, page), methods=[page.method], name=f"{page.method} {page.path}")
        for page in PAGES
    ]
    app = Starlette(
        routes=[*routes, Mount("/static", StaticFiles(packages=_STATIC))],
        middleware=[Middleware(AccessLog, sink=sink, clock=clock), Middleware(Fence, site=site)],
        exception_handlers={HTTPException: _handler(console), Exception: _handler(console)},
    )
    app.router.redirect_slashes = False
    return app


def _endpoint(console: Console, page: Page) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        visit = _visit(console, request)
        try:
            form = await read_form(request) if request.method == "POST" else Form()
        except HTTPException as error:
            return await run_in_threadpool(refusal, visit, error)
        return await run_in_threadpool(_answer, visit, page, form)

    return endpoint


def _visit(console: Console, request: Request) -> Visit:
    cookies, site = request.cookies, console.site
    asked, remembered = request.query_params.get("lang"), cookies.get(site.cookie(LANGUAGE))
    tongue = choose_language(asked, remembered, request.headers.get("accept-language", ""))
    return Visit(console, request, tongue)


def _answer(visit: Visit, page: Page, form: Form) -> Response:
    request = visit.request
    try:
        if any("\x00" in str(text) for text in (*request.path_params.values(), *request.query_params.values())):
            raise HTTPException(400)  # no database takes it
        visit = _known(visit, form)
        _check(visit, page)
        response = page.handler(visit)
    except Exception as error:  # whatever it is, somebody is told in their own language
        response = refusal(visit, error, page.keeps)
    visit.remember_language(response)
    return response


def _known(visit: Visit, form: Form) -> Visit:
    """Find out who asks."""
    console = visit.console
    secret = visit.request.cookies.get(console.site.cookie(SESSION), "")
    person: Person | None = None
    if secret:
        try:
            person = console.staff.signed_in(secret)
        except NotSignedIn:
            secret = ""
    return Visit(console, visit.request, visit.words, form, secret, person)


def _check(visit: Visit, page: Page) -> None:
    """Go on only if whoever asks may, and asks for it from our own page, and has confirmed it where they must."""
    if page.who is Who.ANYBODY:
        return
    person = visit.person
    if not isinstance(page.who, Who):
        person.check(page.who)
    if page.method == "GET":
        return
    if not hmac.compare_digest(visit.form.text(TOKEN).encode(), visit.token.encode()):
        raise HTTPException(403)
    if page.confirmed:
        if visit.request.url.query:  # the passkey would not have signed it
            raise HTTPException(400)
        _confirm(visit, person)


def _confirm(visit: Visit, person: Person) -> None:
    console = visit.console
    try:
        console.passkeys.confirm(person, visit.form.digest(visit.path), visit.form.text(ASSERTION))
    except PasskeyRefused:
        try:
            console.doubts.count(hashlib.sha256(visit.secret.encode()).hexdigest())
        except PasskeyRefused as error:  # somebody holds this session who does not hold the passkey
            console.staff.sign_out(visit.secret)
            raise NotSignedIn("this session is over: too much in it was not confirmed") from error
        raise


def _handler(console: Console) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(request: Request, error: Exception) -> Response:
        """Answer what no page answered. Starlette answers mistakes of ours outside of the fence."""
        if isinstance(error, ClientDisconnect):
            return Response(status_code=400)
        response = await run_in_threadpool(refusal, _visit(console, request), error)
        for name, value in (HEADERS | {"Cache-Control": "no-store"}).items():
            response.headers.setdefault(name, value)
        return response

    return handle

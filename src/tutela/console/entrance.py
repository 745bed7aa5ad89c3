"""Coming in and going out: invitations, signing in with a passkey, and what a browser asks before a passkey is used."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from tutela.console.forms import ASSERTION
from tutela.console.looks import home_of
from tutela.console.pages import Pages, Who
from tutela.console.visit import Visit
from tutela.provider.errors import InvitationSpent, PasskeyRefused

pages = Pages()

_JSON: Final = "application/json"
#: A page of ours, to go on to.
_PATH: Final = re.compile(r"/[a-z0-9/-]*")
_UNKNOWN: Final = "unknown"


@pages.get("/", Who.SIGNED_IN)
def home(visit: Visit) -> Response:
    """Go to where this role begins."""
    return visit.go(home_of(visit.person))


@pages.get("/sign-in", Who.ANYBODY)
def sign_in_page(visit: Visit) -> Response:
    """Ask for a passkey."""
    if visit.somebody is not None:
        return visit.go("/")
    return visit.show("sign-in.html", title="", text="", written=[], next="")


@pages.post("/passkey/sign-in", Who.ANYBODY, confirmed=False)
def ask_to_sign_in(visit: Visit) -> Response:
    """Return what the browser asks a passkey for."""
    return Response(visit.console.passkeys.signing_in(), media_type=_JSON)


@pages.post("/sign-in", Who.ANYBODY, confirmed=False)
def sign_in(visit: Visit) -> Response:
    """Begin a session, always a new one."""
    console = visit.console
    try:
        staff = console.passkeys.sign_in(visit.form.text(ASSERTION))
    except PasskeyRefused:
        console.failures.count(_UNKNOWN)
        raise
    onwards = visit.form.text("next")
    response = visit.go(onwards if _PATH.fullmatch(onwards) and not onwards.startswith("//") else "/")
    visit.begin_session(response, console.staff.sign_in(staff))
    return response


@pages.post("/sign-out", Who.SIGNED_IN, confirmed=False)
def sign_out(visit: Visit) -> Response:
    """End the session."""
    response = visit.go("/sign-in")
    visit.end_session(response)
    return response


@pages.get("/invitation/{secret}", Who.ANYBODY)
def invitation(visit: Visit) -> Response:
    """Welcome whoever was invited."""
    secret = visit.request.path_params["secret"]
    try:
        invited = visit.console.staff.invited(secret)
    except InvitationSpent:
        visit.console.failures.count(_UNKNOWN)
        raise
    return visit.show("invitation.html", invited=invited, secret=secret)


@pages.post("/passkey/register", Who.ANYBODY, confirmed=False)
def ask_to_register(visit: Visit) -> Response:
    """Return what the browser makes a passkey from."""
    secret, console = visit.form.text("invitation"), visit.console
    try:
        console.staff.invited(secret)
    except InvitationSpent:
        console.failures.count(_UNKNOWN)
        raise
    console.asking.count(hashlib.sha256(secret.encode()).hexdigest())
    return Response(console.passkeys.registration(secret), media_type=_JSON)


@pages.post("/invitation/{secret}", Who.ANYBODY, confirmed=False)
def register(visit: Visit) -> Response:
    """Keep the passkey that was made, and sign in."""
    console = visit.console
    try:
        person = console.passkeys.register(visit.request.path_params["secret"], visit.form.text(ASSERTION))
    except (InvitationSpent, PasskeyRefused):
        console.failures.count(_UNKNOWN)
        raise
    response = visit.go("/")
    visit.begin_session(response, console.staff.sign_in(person.id))
    return response


@pages.post("/passkey/confirm", Who.SIGNED_IN, confirmed=False)
def ask_to_confirm(visit: Visit) -> Response:
    """Return what the browser asks a passkey for, so as to send just this form to the path in `to`."""
    console, path = visit.console, visit.request.query_params.get("to", "")
    if not path.startswith("/") or len(path) > 2000:
        raise HTTPException(400)
    person = visit.person
    # By session: whoever stole one must not keep its person from acting in another.
    console.asking.count(hashlib.sha256(visit.secret.encode()).hexdigest())
    return Response(console.passkeys.confirming(person, visit.form.digest(path)), media_type=_JSON)

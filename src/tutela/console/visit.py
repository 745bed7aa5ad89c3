"""One request, as a page sees it: who asks, what they sent, in which language, and how to answer."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from tutela.console.forms import Form
from tutela.console.limits import Limit
from tutela.console.looks import Looks
from tutela.console.passkeys import Passkeys
from tutela.console.site import Site
from tutela.language import LANGUAGES, Words
from tutela.provider.errors import NotSignedIn
from tutela.provider.review.checkpoints import Checkpoints
from tutela.provider.review.decisions import Decisions
from tutela.provider.review.people import Permission, Person
from tutela.provider.review.staff import StaffStore
from tutela.provider.service import Provider

SESSION: Final = "tutela-console"
LANGUAGE: Final = "tutela-console-language"
#: Numbers of cases and the like are below: what databases can compare.
_NUMBERS: Final = 10**15
_YEAR: Final = 365 * 24 * 3600


@dataclass(frozen=True)
class Console:
    """What pages work with."""

    provider: Provider
    staff: StaffStore
    decisions: Decisions
    checkpoints: Checkpoints
    site: Site
    passkeys: Passkeys
    looks: Looks
    failures: Limit
    """Of whoever is not known: answers and links that do not hold."""
    asking: Limit
    """Challenges that one person or one invitation asks for."""
    doubts: Limit
    """Acts that were not confirmed, in one session."""


@dataclass(frozen=True)
class Visit:
    """One request. `person` may be asked wherever a page is not for anybody."""

    console: Console
    request: Request
    words: Words
    form: Form = field(default_factory=Form)
    secret: str = ""
    """Of the session; empty when nobody is signed in."""
    somebody: Person | None = None

    @property
    def person(self) -> Person:
        """Who asks.

        Raises:
            NotSignedIn: nobody who is known.
        """
        if self.somebody is None:
            raise NotSignedIn("you are not signed in", hint="Sign in.")
        return self.somebody

    @property
    def path(self) -> str:
        """The path that was asked for."""
        return self.request.url.path

    @property
    def token(self) -> str:
        """What a form of this session must bring along: nobody else can know it."""
        if not self.secret:
            return ""
        return hmac.digest(self.secret.encode(), b"tutela/console-form/1", hashlib.sha256).hex()

    def number(self, name: str) -> int:
        """Return a number in the path.

        Raises:
            HTTPException: 404 where it is one that nothing here has.
        """
        found: int = self.request.path_params[name]
        if found >= _NUMBERS:
            raise HTTPException(404)
        return found

    def may(self, permission: Permission) -> bool:
        """Whether whoever asks has a permission."""
        return self.somebody is not None and self.somebody.may(permission)

    def show(self, template: str, *, status: int = 200, **values: object) -> Response:
        """Answer with a page."""
        html = self.console.looks.render(
            template,
            self.words,
            person=self.somebody,
            token=self.token,
            here=self.path,
            elsewhere=self._in_another_language(),
            **values,
        )
        return HTMLResponse(html, status_code=status)

    def go(self, path: str) -> Response:
        """Answer a form: go on to a page."""
        return RedirectResponse(path, status_code=303)

    def download(self, parts: Iterable[bytes], kind: str, name: str) -> Response:
        """Answer with a file that is saved, never shown; its parts are made as they are sent."""
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(parts, media_type=kind, headers=headers)

    def remember_language(self, response: Response) -> None:
        """Let the browser hold the language that was asked for, if one was."""
        if (asked := self.request.query_params.get("lang")) in LANGUAGES:
            self._cookie(response, LANGUAGE, asked or "", age=_YEAR)

    def begin_session(self, response: Response, secret: str) -> None:
        """Let the browser hold a session, instead of any that it held."""
        if self.secret:
            self.console.staff.sign_out(self.secret)
        self._cookie(response, SESSION, secret)

    def end_session(self, response: Response) -> None:
        """Let the browser forget its session, and the service, too."""
        if self.secret:
            self.console.staff.sign_out(self.secret)
        site = self.console.site
        response.delete_cookie(site.cookie(SESSION), secure=site.secure, httponly=True, samesite="strict")

    def _in_another_language(self) -> str:
        """Return where this page is in the next language; what came of a form is not there again."""
        following = LANGUAGES[(LANGUAGES.index(self.words.language) + 1) % len(LANGUAGES)]
        url = self.request.url if self.request.method == "GET" else self.request.url.replace(path="/", query="")
        changed = url.include_query_params(lang=following)
        # Behind two slashes a browser would take the path for the name of another site.
        return f"/{changed.path.lstrip('/')}?{changed.query}"

    def _cookie(self, response: Response, name: str, value: str, age: int | None = None) -> None:
        site = self.console.site
        response.set_cookie(
            site.cookie(name), value, max_age=age, path="/", secure=site.secure, httponly=True, samesite="strict"
        )

"""Whoever reads a page: their language and region, from what their browser says."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tutela.chat.pages import choose_language
from tutela.language import LANGUAGES, Words

_COOKIE: Final = "tutela-language"


def tongue_and_region(request: Request) -> tuple[Words, str | None]:
    """Return the words to speak, and the region that the browser names."""
    asked, remembered = request.query_params.get("lang"), request.cookies.get(_COOKIE)
    return choose_language(asked, remembered, request.headers.get("accept-language", ""))


def tongue_of(request: Request) -> Words:
    """Return the words to speak."""
    return tongue_and_region(request)[0]


def page(request: Request, html: str, *, status: int = 200) -> Response:
    """Answer with a page; a language that was asked for is remembered."""
    response = HTMLResponse(html, status_code=status)
    if (asked := request.query_params.get("lang")) in LANGUAGES:
        response.set_cookie(_COOKIE, asked, httponly=True, samesite="strict", max_age=365 * 24 * 3600)
    return response

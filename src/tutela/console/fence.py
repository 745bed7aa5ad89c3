"""What keeps other pages out of the console. Pure ASGI, in front of all routes.

1. *Host* must name the console, else 421: a website that rebinds its own name to this machine is refused.
2. What changes something must come from the console's own pages (*Origin*, or else *Sec-Fetch-Site*), else 403.
3. What a browser fetches for another page is refused, too; a person may follow a link to the console.
4. Every answer forbids all that the pages do not need: foreign resources, inline scripts and styles, being framed,
   being stored.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tutela.console.site import Site

_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

#: `no-referrer` would make browsers send `Origin: null` with our own forms.
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=(), "
        "publickey-credentials-create=(self), publickey-credentials-get=(self)"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}
_STATIC: Final = "/static/"


class Fence:
    """The middleware around the console at `site`."""

    def __init__(self, app: ASGIApp, *, site: Site) -> None:
        self._app = app
        self._site = site
        secure = {"Strict-Transport-Security": "max-age=31536000"} if site.secure else {}
        self._headers = HEADERS | secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass, with our headers on the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        caching = "no-cache" if scope["path"].startswith(_STATIC) else "no-store"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", caching)
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, method: str, headers: Headers) -> PlainTextResponse | None:
        if headers.getlist("host") != [self._site.host]:
            return PlainTextResponse(f"This page is at {self._site.origin}/", status_code=421)
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if method not in ("GET", "HEAD"):
            own = origin == self._site.origin if origin is not None else site == "same-origin"
            if not own or site not in (None, "same-origin"):
                return PlainTextResponse("This did not come from this page.", status_code=403)
        elif site in ("cross-site", "same-site") and not _follows_a_link(headers):
            return PlainTextResponse("This page is not for other pages.", status_code=403)
        return None


def _follows_a_link(headers: Headers) -> bool:
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"

"""What keeps other pages, other machines and other programs out of the local page.

The page listens on loopback, which any website open in the same browser can reach. Pure ASGI, in front of all routes:

1. *Host* must name this page, else 421: a website that rebinds its own name to 127.0.0.1 is refused.
2. What changes something must come from this page (*Origin*, or else *Sec-Fetch-Site*), else 403: no forged forms.
3. What a browser fetches for another page, be it of another port of this machine, is refused too, except that a
   person may follow a link to the page.
4. Every answer forbids all that the page does not need: foreign resources, inline scripts and styles, being framed
   by others, being stored.

The secret itself is in the path, not in a cookie: cookies do not tell apart the ports of one machine. The price is
that the link stays in the browser's history; it dies with the process.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-src 'self'",
        "frame-ancestors 'self'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types tutela",
    )
)

#: `no-referrer` would make browsers send `Origin: null` with our own forms.
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}


class Fence:
    """The middleware. `authority` is the page's own `host:port`."""

    def __init__(self, app: ASGIApp, *, authority: str) -> None:
        self._app = app
        port = authority.rpartition(":")[2]
        self._hosts = frozenset({authority, f"localhost:{port}"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass, with our headers on the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, method: str, headers: Headers) -> PlainTextResponse | None:
        host = headers.get("host", "")
        if headers.getlist("host") != [host] or host not in self._hosts:
            return PlainTextResponse("This is not the address of this page.", status_code=421)
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if method not in ("GET", "HEAD"):
            own = origin == f"http://{host}" if origin is not None else site == "same-origin"
            if not own or site not in (None, "same-origin"):
                return PlainTextResponse("This did not come from this page.", status_code=403)
        elif site in ("cross-site", "same-site") and not _follows_a_link(headers):
            return PlainTextResponse("This page is not for other pages.", status_code=403)
        return None


def _follows_a_link(headers: Headers) -> bool:
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"

"""The page as an ASGI application: routes that turn requests into calls on windows, and windows into HTML.

Every post changes a window and then answers with a redirect to its page, so that the page works without a script; the
script follows the redirect and merges what changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tutela.chat.advice_routes import advice_routes
from tutela.chat.answers import Answers
from tutela.chat.blur import blur
from tutela.chat.changes import Changes
from tutela.chat.fence import HEADERS, Fence
from tutela.chat.forms import Form, read_form
from tutela.chat.observer import Observer
from tutela.chat.pages import Pages, home_of
from tutela.chat.reader import page, tongue_and_region, tongue_of
from tutela.chat.report_routes import report_routes
from tutela.chat.window import TOO_LARGE, Window, follow
from tutela.language import N_
from tutela.signals.image import PictureError, sniff

log = logging.getLogger("tutela.chat")

#: Its own, and what it shares with the console.
_STATIC: Final[list[str | tuple[str, str]]] = [("tutela.chat", "static"), ("tutela", "static")]
#: Seconds after which a silent stream says that it is alive.
_HEARTBEAT: Final = 15.0
_GONE: Final = (
    N_("This page is not here"),
    N_("Perhaps the link is not complete, or Tutela was started anew on this computer since. Ask for a new link."),
)
_FAILED: Final = (N_("That did not work"), N_("Nothing was sent. Please go back and try again."))
_LARGE: Final = (N_("That did not work"), TOO_LARGE)


def create_app(
    windows: Sequence[Window],
    observer: Observer | None = None,
    *,
    apart: Sequence[Window] = (),
    authority: str,
    side_path: str | None = None,
    closing: asyncio.Event | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),  # noqa: TID251 (the edge)
    zone: tzinfo | None = None,
) -> Starlette:
    """Return the application that serves `windows`, each at its secret `path`.

    Args:
        windows: those to serve; the application reads their clients' events.
        observer: where the lines of the side-by-side page come from.
        apart: more windows to serve, which the side-by-side page leaves out.
        authority: the `host:port` at which the page is reached. Any other is refused.
        side_path: the secret path of the page with all windows and the observer's pane; `None` for no such page.
        closing: when it is set, all streams end, so that a server can stop.
        clock: tells the time, with its zone.
        zone: the readers' time zone; `None` stands for this machine's.
    """
    pages = Pages(clock=clock, zone=zone)
    routes = _Routes(windows, apart, observer, closing or asyncio.Event(), pages)
    window = "/w/{token}"
    paths = [
        Route(f"{window}/", routes.conversation),
        Route(f"{window}/help", routes.help),
        Route(f"{window}/events", routes.window_events),
        Route(f"{window}/chosen/{{id}}", routes.chosen),
        Route(f"{window}/picture/{{entry}}", routes.picture),
        Route(f"{window}/blur/{{entry}}", routes.blur),
        Route(f"{window}/text", routes.say, methods=["POST"]),
        Route(f"{window}/choose", routes.choose, methods=["POST"]),
        Route(f"{window}/send", routes.send, methods=["POST"]),
        Route(f"{window}/discard", routes.discard, methods=["POST"]),
        Route(f"{window}/show/{{entry}}", routes.show, methods=["POST"]),
        Route(f"{window}/hide/{{entry}}", routes.hide, methods=["POST"]),
        Route(f"{window}/accept/{{entry}}", routes.accept, methods=["POST"]),
        *advice_routes(window, routes.window, pages),
        *report_routes(window, routes.window, pages),
        Mount("/static", StaticFiles(packages=_STATIC)),
    ]
    if side_path is not None:
        paths += [Route(side_path, routes.side_by_side), Route(f"{side_path}events", routes.side_events)]
    return Starlette(
        routes=paths,
        middleware=[Middleware(Fence, authority=authority)],
        exception_handlers={HTTPException: routes.refuse, Exception: routes.fail},
        lifespan=routes.lifespan,
    )


class _Routes:
    def __init__(
        self,
        windows: Sequence[Window],
        apart: Sequence[Window],
        observer: Observer | None,
        closing: asyncio.Event,
        pages: Pages,
    ) -> None:
        self._windows = tuple(windows)
        # Looked up by digest, so that the time it takes tells nothing about the token.
        self._by_token = {_digest(window.token): window for window in (*windows, *apart)}
        self._observer = observer
        self._closing = closing
        self._pages = pages
        self._answers = {
            id(same[0].client): Answers(same[0].client.reports, partial(_tell, same), now=time.monotonic)
            for same in _by_client(self._by_token.values())
            if same[0].client.reports is not None
        }
        self._blurring = asyncio.Lock()  # pictures are decoded in one thread at a time

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        following = [asyncio.create_task(_follow(same)) for same in _by_client(self._by_token.values())]
        try:
            yield
        finally:
            self._closing.set()
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)
            for answers in self._answers.values():
                await answers.close()

    def window(self, request: Request) -> Window:
        """Return the window that the request's path names, or answer that there is none."""
        window = self._by_token.get(_digest(request.path_params["token"]))
        if window is None:
            raise HTTPException(404)
        return window

    # What is read

    async def conversation(self, request: Request) -> Response:
        window = self.window(request)
        window.recall()
        answered = False
        if answers := self._answers.get(id(window.client)):
            answers.opened()
            answered = answers.waiting
        return page(request, self._pages.conversation(window, tongue_of(request), answered=answered))

    async def help(self, request: Request) -> Response:
        window = self.window(request)
        tongue, region = tongue_and_region(request)
        html = self._pages.help(
            tongue,
            home_of(window, region),
            reporting=window.client.reports is not None,
            advising=window.client.conversations is not None,
            focus=request.query_params.get("for", ""),
        )
        return page(request, html)

    async def side_by_side(self, request: Request) -> Response:
        seen = self._observer.observations() if self._observer else ()
        for window in self._windows:
            window.recall()
        return page(request, self._pages.side_by_side(self._windows, seen, tongue_of(request)))

    async def window_events(self, request: Request) -> Response:
        window = self.window(request)
        answers = self._answers.get(id(window.client))
        return self._stream(window.changes.follow(), answers.opened if answers else None)

    async def side_events(self, _request: Request) -> Response:
        return self._stream(self._observer.changes() if self._observer else Changes().follow())

    async def chosen(self, request: Request) -> Response:
        chosen = self.window(request).chosen
        if chosen is None or chosen.id != request.path_params["id"]:
            raise HTTPException(404)
        return _picture(chosen.data, chosen.media_type)

    async def picture(self, request: Request) -> Response:
        data = self.window(request).picture(request.path_params["entry"], opened=True)
        try:
            return _picture(data, sniff(data).mimetype) if data is not None else _missing()
        except PictureError:
            return _missing()

    async def blur(self, request: Request) -> Response:
        data = self.window(request).picture(request.path_params["entry"], opened=False)
        try:
            async with self._blurring:
                return _picture(await asyncio.to_thread(blur, data), "image/png") if data is not None else _missing()
        except PictureError:
            return _missing()

    def _stream(self, changes: AsyncIterator[None], still_open: Callable[[], None] | None = None) -> Response:
        events = _events(changes, self._closing, still_open)
        return StreamingResponse(events, media_type="text/event-stream")

    # What changes something

    async def say(self, request: Request) -> Response:
        window, form = await self._posted(request)
        await window.say(form.fields.get("text", ""))
        return _back(window)

    async def choose(self, request: Request) -> Response:
        window = self.window(request)
        form = await read_form(request, with_picture=True)
        window.choose(form.picture or b"", form.filename)
        return _back(window)

    async def send(self, request: Request) -> Response:
        window, form = await self._posted(request)
        await window.send(form.fields.get("chosen", ""), confirm=form.fields.get("confirm", ""))
        return _back(window)

    async def discard(self, request: Request) -> Response:
        window, form = await self._posted(request)
        window.discard(form.fields.get("chosen", ""))
        return _back(window)

    async def show(self, request: Request) -> Response:
        window = self.window(request)
        window.open(request.path_params["entry"])
        return _back(window)

    async def hide(self, request: Request) -> Response:
        window = self.window(request)
        window.cover(request.path_params["entry"])
        return _back(window)

    async def accept(self, request: Request) -> Response:
        window = self.window(request)
        window.accept(request.path_params["entry"])
        return _back(window)

    async def _posted(self, request: Request) -> tuple[Window, Form]:
        return self.window(request), await read_form(request)

    # What does not work

    async def refuse(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        title, text = {404: _GONE, 413: _LARGE}.get(status, _FAILED)
        window = self._by_token.get(_digest(request.path_params.get("token", "")))
        html = self._pages.refused(tongue_of(request), title, text, back=window.path if window else None)
        return HTMLResponse(html, status_code=status)

    async def fail(self, request: Request, error: Exception) -> Response:
        # Starlette answers this outside the fence.
        response = await self.refuse(request, error)
        response.headers.update({**HEADERS, "Cache-Control": "no-store"})
        return response


def _by_client(windows: Iterable[Window]) -> list[list[Window]]:
    found: dict[int, list[Window]] = {}
    for window in windows:
        found.setdefault(id(window.client), []).append(window)
    return list(found.values())


async def _follow(windows: Sequence[Window]) -> None:
    try:
        await follow(windows)
    except Exception:
        log.exception("%s no longer receives anything", windows[0].client.user_id)


def _tell(windows: Sequence[Window]) -> None:
    for window in windows:
        window.changes.notify()


async def _events(
    changes: AsyncIterator[None], closing: asyncio.Event, still_open: Callable[[], None] | None = None
) -> AsyncIterator[str]:
    """Server-sent events: one at once, then one after each change, until the page goes or the server closes.

    `still_open` is called every few seconds while nothing happens.
    """
    closed = asyncio.create_task(_until(closing))
    change: asyncio.Task[bool] | None = None
    try:
        yield "event: changed\ndata: 1\n\n"
        while True:
            change = change or asyncio.create_task(_another(changes))
            done, _ = await asyncio.wait((change, closed), timeout=_HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
            if closed in done or (change in done and not change.result()):
                return
            if change in done:
                change = None
                yield "event: changed\ndata: 1\n\n"
            else:
                if still_open is not None:
                    still_open()
                yield ": still here\n\n"
    finally:
        ending = [task for task in (closed, change) if task]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)


async def _until(event: asyncio.Event) -> bool:
    return await event.wait()


async def _another(changes: AsyncIterator[None]) -> bool:
    """Wait for the next change; `False` when there will be none."""
    async for _ in changes:
        return True
    return False


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _picture(data: bytes, kind: str) -> Response:
    # Sandboxed, in case somebody opens it as a page of its own.
    return Response(data, media_type=kind, headers={"Content-Security-Policy": "default-src 'none'; sandbox"})


def _missing() -> Response:
    return Response(status_code=404)


def _back(window: Window) -> Response:
    return RedirectResponse(window.path, status_code=303)

"""What the user does at a card of the conversation guard, and its settings. They need no script."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tutela.chat.forms import Form, read_form
from tutela.chat.pages import Pages
from tutela.chat.reader import page, tongue_of
from tutela.chat.window import Window
from tutela.device.conversation import AgeGroup, ConversationGuard, Settings
from tutela.signals.conversation.decision import Level

_LEVELS: Final = {level.word: level for level in Level}
_COUNTRY: Final = re.compile(r"[A-Z]{2}")


def advice_routes(prefix: str, window_of: Callable[[Request], Window], pages: Pages) -> list[Route]:
    """Return the routes below each window's path; `window_of` raises `HTTPException` where there is no such window."""
    routes = _Routes(window_of, pages)
    return [
        Route(f"{prefix}/fine", routes.fine, methods=["POST"]),
        Route(f"{prefix}/anyway", routes.anyway, methods=["POST"]),
        Route(f"{prefix}/keep", routes.keep, methods=["POST"]),
        Route(f"{prefix}/block", routes.block, methods=["POST"]),
        Route(f"{prefix}/unblock", routes.unblock, methods=["POST"]),
        Route(f"{prefix}/tell", routes.tell),
        Route(f"{prefix}/tell", routes.send, methods=["POST"]),
        Route(f"{prefix}/leave", routes.leave),
        Route(f"{prefix}/leave", routes.left, methods=["POST"]),
        Route(f"{prefix}/settings", routes.settings),
        Route(f"{prefix}/settings", routes.change, methods=["POST"]),
    ]


class _Routes:
    def __init__(self, window_of: Callable[[Request], Window], pages: Pages) -> None:
        self._window_of = window_of
        self._pages = pages

    async def fine(self, request: Request) -> Response:
        window, form = await self._posted(request)
        window.fine(form.fields.get("card", ""))
        return _to("./")

    async def anyway(self, request: Request) -> Response:
        window, form = await self._posted(request)
        await window.say_anyway(form.fields.get("paused", ""))
        return _to("./")

    async def keep(self, request: Request) -> Response:
        window, form = await self._posted(request)
        window.keep(form.fields.get("paused", ""))
        return _to("./")

    async def block(self, request: Request) -> Response:
        window = self._window_of(request)
        await window.block(blocked=True)
        return _to("./")

    async def unblock(self, request: Request) -> Response:
        window = self._window_of(request)
        await window.block(blocked=False)
        return _to("./")

    async def tell(self, request: Request) -> Response:
        return page(request, self._pages.tell(self._window_of(request), tongue_of(request)))

    async def send(self, request: Request) -> Response:
        window, form = await self._posted(request)
        chat, text = form.fields.get("chat", ""), form.fields.get("text", "")
        if await window.tell(chat, text):
            return _to("./")
        html = self._pages.tell(window, tongue_of(request), chosen=chat, text=text, failed=True)
        return page(request, html, status=422)

    async def leave(self, request: Request) -> Response:
        return page(request, self._pages.leave(self._window_of(request), tongue_of(request)))

    async def left(self, request: Request) -> Response:
        window = self._window_of(request)
        await window.leave()
        return _to("./")

    async def settings(self, request: Request) -> Response:
        guard = self._guard(self._window_of(request))
        return page(request, self._pages.settings(guard, tongue_of(request), saved="saved" in request.query_params))

    async def change(self, request: Request) -> Response:
        window, form = await self._posted(request)
        guard = self._guard(window)
        guard.change(_settings(form, guard.settings))
        return _to("settings?saved=yes")

    async def _posted(self, request: Request) -> tuple[Window, Form]:
        return self._window_of(request), await read_form(request)

    @staticmethod
    def _guard(window: Window) -> ConversationGuard:
        if window.client.conversations is None:
            raise HTTPException(404)
        return window.client.conversations


def _settings(form: Form, before: Settings) -> Settings:
    """Return what a form says. A level counts only for the group that it was offered to."""
    try:
        group = AgeGroup(form.fields.get("group", before.group))
        level = _LEVELS[form.fields["level"]] if "level" in form.fields else before.lowest
    except (ValueError, KeyError) as error:
        raise HTTPException(400) from error
    place = form.fields.get("place", "")
    changed = group is not before.group
    return msgspec.structs.replace(
        before,
        group=group,
        lowest=None if changed else level,
        speaks_for_sender="pauses" in form.fields if group is before.group is AgeGroup.ADULT else True,
        jurisdiction=place if _COUNTRY.fullmatch(place) else None,
    )


def _to(path: str) -> Response:
    return RedirectResponse(path, status_code=303)

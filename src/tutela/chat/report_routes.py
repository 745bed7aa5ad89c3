"""The pages about reports: three taps to send one, and what became of each. They need no script."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tutela.chat.client import Reporting
from tutela.chat.forms import Form, read_form
from tutela.chat.pages import Pages
from tutela.chat.reader import page, tongue_and_region
from tutela.chat.reporting import Filled, newest, send
from tutela.chat.window import Window
from tutela.device.errors import DeviceError, NoSuchReport, ReportTooLarge
from tutela.language import N_
from tutela.wire.report import ReportReason

_ID: Final = re.compile(r"[0-9a-f]{64}")
_TOO_MUCH: Final = N_("This is too much for one report. Tick fewer messages, or write a little less.")


def report_routes(prefix: str, window_of: Callable[[Request], Window], pages: Pages) -> list[Route]:
    """Return the routes below each window's path; `window_of` raises `HTTPException` where there is no such window."""
    routes = _Routes(window_of, pages)
    return [
        Route(f"{prefix}/report", routes.report),
        Route(f"{prefix}/report", routes.send, methods=["POST"]),
        Route(f"{prefix}/sent", routes.sent),
        Route(f"{prefix}/reports", routes.reports),
        Route(f"{prefix}/add", routes.add, methods=["POST"]),
    ]


class _Routes:
    def __init__(self, window_of: Callable[[Request], Window], pages: Pages) -> None:
        self._window_of = window_of
        self._pages = pages

    def _reporting(self, request: Request) -> tuple[Window, Reporting]:
        window = self._window_of(request)
        if window.client.reports is None:
            raise HTTPException(404)
        return window, window.client.reports

    async def report(self, request: Request) -> Response:
        window, reports = self._reporting(request)
        tongue, region = tongue_and_region(request)
        entry, reason = request.query_params.get("entry", ""), request.query_params.get("reason")
        advised = "advice" in request.query_params
        if advised:
            entry = newest(window, window.advising.evidence)
        if window.find(entry) is None:
            entry = ""
        if reason is None:
            return page(request, self._pages.reasons(window, entry, tongue, region, advised=advised))
        filled = Filled(secrets.token_hex(32), _reason(reason), entry, ticked=(), danger_now=False, text="")
        times = await reports.reading_times()
        return page(request, self._pages.confirm(window, filled, times, tongue, region, advised=advised))

    async def send(self, request: Request) -> Response:
        window, reports = self._reporting(request)
        filled = _filled(await read_form(request))
        tongue, region = tongue_and_region(request)
        try:
            own = await send(window, reports, filled, language=tongue.language)
        except ReportTooLarge:
            times = await reports.reading_times()
            again = self._pages.confirm(window, filled, times, tongue, region, failure=_TOO_MUCH)
            return page(request, again, status=422)
        window.advising.acted()
        return _to("sent", report=own.id)

    async def sent(self, request: Request) -> Response:
        window, reports = self._reporting(request)
        try:
            own = reports.own(request.query_params.get("report", ""))
        except NoSuchReport as error:
            raise HTTPException(404) from error
        times = await reports.reading_times()
        return page(request, self._pages.sent(window, own, times, *tongue_and_region(request)))

    async def reports(self, request: Request) -> Response:
        window, reports = self._reporting(request)
        own, times = await asyncio.gather(reports.mine(), reports.reading_times())
        reports.looked()
        if any(one.news for one in own):
            window.changes.notify()
        added, failed = (request.query_params.get(name, "") for name in ("added", "failed"))
        tongue, region = tongue_and_region(request)
        return page(request, self._pages.reports(window, own, times, tongue, region, added=added, failed=failed))

    async def add(self, request: Request) -> Response:
        _, reports = self._reporting(request)
        form = await read_form(request)
        report, text = form.fields.get("report", ""), form.fields.get("text", "").strip()
        try:
            await reports.add(
                report, text, danger_now="danger" in form.fields, addition_id=_id(form.fields.get("id", ""))
            )
        except NoSuchReport as error:
            raise HTTPException(404) from error
        except DeviceError:
            return _to("reports", f"#r{report[:16]}", failed=report)
        return _to("reports", f"#r{report[:16]}", added=report)


def _filled(form: Form) -> Filled:
    return Filled(
        id=_id(form.fields.get("id", "")),
        reason=_reason(form.fields.get("reason", "")),
        entry=form.fields.get("entry", ""),
        ticked=frozenset(form.every.get("message", ())),
        danger_now="danger" in form.fields,
        text=form.fields.get("text", ""),
    )


def _reason(name: str) -> ReportReason:
    try:
        return ReportReason(name)
    except ValueError as error:
        raise HTTPException(404) from error


def _id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise HTTPException(400)
    return text


def _to(path: str, fragment: str = "", **query: str) -> Response:
    return RedirectResponse(f"{path}?{urlencode(query)}{fragment}", status_code=303)

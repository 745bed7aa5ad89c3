"""Reporting over JSON-RPC: what the client passes is checked here, what it is told is `OwnReport.facts`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from tutela.device.errors import DeviceError
from tutela.device.picture_file import read_picture
from tutela.device.reports import Reports
from tutela.wire.report import MessageEvidence, ReportReason


class _Params(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    pass


class _File(_Params):
    event_id: str
    picture: bytes | None = None
    path: str | None = None


class _Report(_Params):
    reason: ReportReason
    messages: tuple[MessageEvidence, ...] = ()
    files: tuple[_File, ...] = ()
    about: str | None = None
    danger_now: bool = False
    text: str = ""
    language: str = "en"
    region: str | None = None
    id: str | None = None


class _Addition(_Params):
    report: str
    text: str
    danger_now: bool = False
    id: str | None = None


class _Nothing(_Params):
    pass


async def _report(reports: Reports, params: Mapping[str, Any]) -> dict[str, Any]:
    asked = await asyncio.to_thread(msgspec.convert, params, _Report)  # pictures in base64 may be large
    own = await reports.send(
        asked.reason,
        messages=asked.messages,
        files={file.event_id: await _bytes(file) for file in asked.files},
        about=asked.about,
        danger_now=asked.danger_now,
        text=asked.text,
        language=asked.language,
        region=asked.region,
        report_id=asked.id,
    )
    return own.facts()


async def _add(reports: Reports, params: Mapping[str, Any]) -> dict[str, Any]:
    asked = msgspec.convert(params, _Addition)
    own = await reports.add(asked.report, asked.text, danger_now=asked.danger_now, addition_id=asked.id)
    return own.facts()


async def _mine(reports: Reports, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    msgspec.convert(params, _Nothing)
    return [own.facts() for own in await reports.mine()]


async def _looked(reports: Reports, params: Mapping[str, Any]) -> None:
    msgspec.convert(params, _Nothing)
    reports.looked()


async def _times(reports: Reports, params: Mapping[str, Any]) -> dict[str, Any] | None:
    msgspec.convert(params, _Nothing)
    times = await reports.reading_times()
    return msgspec.to_builtins(times) if times else None


async def _bytes(file: _File) -> bytes:
    if file.picture is not None:
        return file.picture
    if file.path is None:
        raise msgspec.ValidationError("give each file as `picture` (base64) or `path`")
    try:
        return await asyncio.to_thread(read_picture, Path(file.path))
    except DeviceError as error:
        raise msgspec.ValidationError(error.message) from error


METHODS: Final[Mapping[str, Callable[[Reports, Mapping[str, Any]], Awaitable[Any]]]] = {
    "report": _report,
    "add_to_report": _add,
    "reports": _mine,
    "looked_at_reports": _looked,
    "reading_times": _times,
}

"""The HTTP surface of reports: for whoever reports, with a session, and for nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool

from tutela.provider import errors
from tutela.provider.access import note_account
from tutela.provider.bearer import bearer
from tutela.provider.bodies import declared_bytes, parts, read
from tutela.provider.openapi import JSON, OCTETS, problems, reference, success
from tutela.provider.reports.intake import Reports
from tutela.provider.sessions import Sessions
from tutela.wire import document, limits
from tutela.wire.errors import MalformedMessage, OversizedMessage
from tutela.wire.report import Addition

_ADDITION_BYTES: Final = 64 << 10
_PRIVATE: Final = {"cache-control": "no-store"}
#: Answers are padded to a multiple of this, so that their length does not tell how many messages were reported.
_STEP: Final = 4096
_BODY: Final = (
    MalformedMessage,
    OversizedMessage,
    errors.WrongContentType,
    errors.LengthRequired,
    errors.SlowBody,
)
_SESSION: Final = (errors.SessionMissing, errors.SessionUnknown, errors.SessionExpired)
_ANYWHERE: Final = (errors.Internal, errors.StorageUnavailable)
_SECURE: Final[dict[str, object]] = {"security": [{"session": []}]}


def add_routes(app: FastAPI, reports: Reports, sessions: Sessions) -> None:
    """Add the routes under `/v1/reports`."""

    async def account_of(request: Request) -> str:
        account = await run_in_threadpool(sessions.account_of, bearer(request))
        note_account(request, account)
        return account

    @app.post(
        "/v1/reports",
        summary="Report",
        description="Sending the same report again gives the same receipt. As in `tutela.wire.report`.",
        response_class=Response,
        responses={
            200: success(
                "It is kept, and will be read; `nobody_reads` says that nobody is there yet who could.",
                JSON,
                reference("Receipt"),
            ),
            **problems(
                *_BODY, *_SESSION, errors.ReportRefused, errors.ReportConflict, errors.TooManyReports, *_ANYWHERE
            ),
        },
        openapi_extra=_SECURE | _sent(JSON, reference("Report")),
    )
    async def report(request: Request) -> Response:
        account = await account_of(request)
        declared = declared_bytes(request, JSON)
        if declared > limits.REPORT_BYTES:
            raise OversizedMessage(
                f"a report has at most {limits.REPORT_BYTES} bytes", hint="Report fewer messages at once."
            )
        body = await read(request, declared)
        return _json(await run_in_threadpool(reports.take, account, body))

    @app.get(
        "/v1/reports",
        summary="What I have reported, the newest first",
        response_class=Response,
        responses={
            200: success("At most 100.", JSON, {"type": "array", "items": reference("ReportStatus")}),
            **problems(*_SESSION, *_ANYWHERE),
        },
        openapi_extra=_SECURE,
    )
    async def mine(request: Request) -> Response:
        account = await account_of(request)
        return _json(await run_in_threadpool(reports.mine, account))

    @app.get(
        "/v1/reading-times",
        summary="When somebody would read a report that is made now",
        description="Needs no session: somebody who hesitates to report is not asked who they are.",
        response_class=Response,
        responses={
            200: success(
                "In minutes; null, and `nobody_reads`, where nobody reads reports yet.", JSON, reference("ReadingTimes")
            ),
            **problems(*_ANYWHERE),
        },
    )
    async def reading_times() -> Response:
        return _json(await run_in_threadpool(reports.reading_times))

    @app.get(
        "/v1/reports/{report_id}",
        summary="What became of a report",
        response_class=Response,
        responses={
            200: success("How far it has come.", JSON, reference("ReportStatus")),
            **problems(*_SESSION, errors.UnknownReport, *_ANYWHERE),
        },
        openapi_extra=_SECURE,
    )
    async def status(request: Request, report_id: str) -> Response:
        account = await account_of(request)
        return _json(await run_in_threadpool(reports.status, account, report_id))

    @app.put(
        "/v1/reports/{report_id}/attachments/{sha256}",
        summary="Send a file that a report announced",
        status_code=204,
        response_class=Response,
        responses={
            204: {"description": "It is kept. Sending it again changes nothing."},
            **problems(
                *_BODY, *_SESSION, errors.UnknownReport, errors.UnknownAttachment, errors.WrongAttachment, *_ANYWHERE
            ),
        },
        openapi_extra=_SECURE | _sent(OCTETS, {"type": "string", "format": "binary"}),
    )
    async def attach(request: Request, report_id: str, sha256: str) -> Response:
        account = await account_of(request)
        declared = declared_bytes(request, OCTETS)
        if declared > limits.ATTACHMENT_BYTES:
            raise OversizedMessage(f"an attachment has at most {limits.ATTACHMENT_BYTES} bytes")
        chunks: AsyncIterator[bytes] = parts(request, declared)
        await reports.attach(account, report_id, sha256, declared, chunks)
        return Response(status_code=204, headers=_PRIVATE)

    @app.post(
        "/v1/reports/{report_id}/additions",
        summary="Add to a report",
        description="Sending the same addition again changes nothing.",
        response_class=Response,
        responses={
            200: success("It is kept.", JSON, reference("ReportStatus")),
            **problems(
                *_BODY, *_SESSION, errors.UnknownReport, errors.ReportConflict, errors.TooManyReports, *_ANYWHERE
            ),
        },
        openapi_extra=_SECURE | _sent(JSON, reference("Addition")),
    )
    async def add(request: Request, report_id: str) -> Response:
        account = await account_of(request)
        declared = declared_bytes(request, JSON)
        body = await read(request, declared) if declared <= _ADDITION_BYTES else b""
        if not body:
            raise OversizedMessage(f"an addition has at most {_ADDITION_BYTES} bytes, and some text")
        addition = document.decode(body, Addition, limit=_ADDITION_BYTES, canonical=False)
        return _json(await run_in_threadpool(reports.add, account, report_id, addition))


def _sent(media_type: str, schema: dict[str, object]) -> dict[str, object]:
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


def _json(answer: object) -> Response:
    body = msgspec.json.encode(answer)
    return Response(body.ljust(-(-len(body) // _STEP) * _STEP), media_type=JSON, headers=_PRIVATE)

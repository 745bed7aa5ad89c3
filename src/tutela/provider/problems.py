"""From an error to an answer: the one place where an error gets its HTTP status.

Every answer that is not a success is a `wire.session.Problem` with a stable `code`. What an error says about the
inside of the service (a path, a database's words) goes to the log and not to the answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tutela.errors import TutelaError
from tutela.matching.errors import InvalidElement
from tutela.provider import errors
from tutela.wire.errors import MalformedMessage, OversizedMessage
from tutela.wire.session import Problem

STATUS: Final[Mapping[type[TutelaError], HTTPStatus]] = {
    MalformedMessage: HTTPStatus.BAD_REQUEST,
    InvalidElement: HTTPStatus.BAD_REQUEST,
    errors.WrongBatch: HTTPStatus.BAD_REQUEST,
    errors.BadRequest: HTTPStatus.BAD_REQUEST,
    errors.SessionMissing: HTTPStatus.UNAUTHORIZED,
    errors.SessionUnknown: HTTPStatus.UNAUTHORIZED,
    errors.SessionExpired: HTTPStatus.UNAUTHORIZED,
    errors.TokenUnknown: HTTPStatus.FORBIDDEN,
    errors.TokenReplayed: HTTPStatus.FORBIDDEN,
    errors.ForeignHomeserver: HTTPStatus.FORBIDDEN,
    errors.ForeignAccount: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.NothingPublished: HTTPStatus.NOT_FOUND,
    errors.UnknownEpoch: HTTPStatus.NOT_FOUND,
    errors.UnknownSegment: HTTPStatus.NOT_FOUND,
    errors.UnknownKey: HTTPStatus.NOT_FOUND,
    errors.MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.SlowBody: HTTPStatus.REQUEST_TIMEOUT,
    errors.KeyRetired: HTTPStatus.GONE,
    errors.LengthRequired: HTTPStatus.LENGTH_REQUIRED,
    OversizedMessage: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.WrongContentType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.NoSuchRange: HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.TooManyReports: HTTPStatus.TOO_MANY_REQUESTS,
    errors.ReportRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.WrongAttachment: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ReportConflict: HTTPStatus.CONFLICT,
    errors.UnknownReport: HTTPStatus.NOT_FOUND,
    errors.UnknownAttachment: HTTPStatus.NOT_FOUND,
    errors.Internal: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.HomeserverNonsense: HTTPStatus.BAD_GATEWAY,
    errors.HomeserverUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StorageUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Busy: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""Every error that a request can meet. Whatever is not here is answered as `Internal`."""

_INSIDE: Final = (errors.StorageUnavailable, errors.Internal)
_log: Final = logging.getLogger("tutela.provider")


def public(error: Exception) -> TutelaError:
    """Return the error as the outside may see it."""
    match error:
        case errors.StorageUnavailable():
            return errors.StorageUnavailable(
                "the service cannot reach its storage",
                hint="Try again in a moment.",
                retry_after=error.retry_after or 10,
            )
        case TutelaError() if type(error) in STATUS:
            return error
        case HTTPException(status_code=404):
            return errors.NotFound("there is nothing at this path", hint="/openapi.json lists all paths.")
        case HTTPException(status_code=405):
            return errors.MethodNotAllowed("this path takes another method", hint="/openapi.json lists all paths.")
        case HTTPException(status_code=status) if status < 500:
            return errors.BadRequest("the request cannot be understood")
        case _:
            return errors.Internal("something went wrong here; the operator finds it in the log")


def answer(error: Exception) -> Response:
    """Return the answer to a request that met `error`."""
    shown = public(error)
    if isinstance(shown, _INSIDE):
        # A database that is away says all in its words, and at each request.
        _log.error("%s", error, exc_info=None if isinstance(error, errors.StorageUnavailable) else error)
    headers = {"cache-control": "no-store"}
    if isinstance(shown, errors.ProviderError) and shown.retry_after is not None:
        headers["retry-after"] = str(shown.retry_after)
    if isinstance(shown, errors.NoSession):
        headers["www-authenticate"] = "Bearer"
    if isinstance(error, HTTPException) and error.headers and "Allow" in error.headers:
        headers["allow"] = error.headers["Allow"]
    item = shown.item if isinstance(shown, errors.ReportRefused) else msgspec.UNSET
    problem = Problem(code=shown.code, message=shown.message, hint=shown.hint, item=item)
    return Response(msgspec.json.encode(problem), STATUS[type(shown)], headers=headers, media_type="application/json")


async def handle(_: Request, error: Exception) -> Response:
    """Answer an error that a route raised (an exception handler of Starlette)."""
    return answer(error)


class LastResort:
    """Answers what no handler answered, so that even a mistake of ours is a Problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        begun = False

        async def watch(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            return
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            await answer(error)(scope, receive, send)


Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]
HANDLERS: Final[Mapping[int | type[Exception], Handler]] = {TutelaError: handle, HTTPException: handle}

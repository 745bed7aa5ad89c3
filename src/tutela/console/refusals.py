"""From an error to a page, in the reader's words: the one place where an error gets its status here.

What somebody wrote is shown again with it, so that nothing is lost. What an error says about the inside of the service
goes to the log.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from tutela.console.visit import Visit
from tutela.language import N_
from tutela.provider import errors

_log: Final = logging.getLogger("tutela.console")

#: Status, title, text.
_Told = tuple[HTTPStatus, str, str]

_TOLD: Final[Mapping[type[Exception], _Told]] = {
    errors.NotSignedIn: (
        HTTPStatus.UNAUTHORIZED,
        N_("Please sign in"),
        N_("You are not signed in, or you were away for a while."),
    ),
    errors.NotAllowed: (
        HTTPStatus.FORBIDDEN,
        N_("This is for somebody else"),
        N_("Your role does not include this page. Each role sees what it needs, and no more."),
    ),
    errors.SamePerson: (
        HTTPStatus.FORBIDDEN,
        N_("This takes somebody else"),
        N_("You took part in this decision. Somebody who did not looks at it now."),
    ),
    errors.UnknownCase: (
        HTTPStatus.NOT_FOUND,
        N_("There is no such case"),
        N_("Perhaps the link is not complete."),
    ),
    errors.UnknownDecision: (
        HTTPStatus.NOT_FOUND,
        N_("There is no such decision"),
        N_("Perhaps the link is not complete."),
    ),
    errors.UnknownPerson: (
        HTTPStatus.NOT_FOUND,
        N_("There is nobody of this name"),
        N_("Perhaps they have left, or the name is empty or too long."),
    ),
    errors.StaleCase: (
        HTTPStatus.CONFLICT,
        N_("This was changed by somebody else"),
        N_("Nothing of yours has been done. Look at the case again, and decide then."),
    ),
    errors.DecisionSettled: (
        HTTPStatus.CONFLICT,
        N_("This is decided already"),
        N_("Somebody was quicker, or something else is to be decided first. Nothing of yours has been done."),
    ),
    errors.WrongDecision: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        N_("This decision cannot be made so"),
        N_("The policy does not allow it in this way, or something is missing. Nothing has been done."),
    ),
    errors.NamesSomebody: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        N_("This may name who reported"),
        N_("The person concerned reads your reasons, and one word in them is also a name. Nothing has been done."),
    ),
    errors.WrongNote: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        N_("This note cannot be kept so"),
        N_("It is empty or too long. Nothing has been done."),
    ),
    errors.UnknownMedium: (
        HTTPStatus.NOT_FOUND,
        N_("There is no such file"),
        N_("It was not reported, or has not arrived yet."),
    ),
    errors.PictureUnreadable: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        N_("This file cannot be shown"),
        N_("It is no picture that can be read, or it is damaged."),
    ),
    errors.UnknownSample: (
        HTTPStatus.NOT_FOUND,
        N_("There is no such second look"),
        N_("It is somebody else’s, or was answered already."),
    ),
    errors.LastAdmin: (
        HTTPStatus.CONFLICT,
        N_("This is the last admin"),
        N_("Invite another one first, or nobody could invite anybody any more."),
    ),
    errors.InvitationSpent: (
        HTTPStatus.GONE,
        N_("This link does not work any more"),
        N_("It was used before, or is too old. Ask an admin for a new one."),
    ),
    errors.PasskeyRefused: (
        HTTPStatus.FORBIDDEN,
        N_("The passkey was not accepted"),
        N_("Nothing has been done. Try again; if it does not work, ask an admin for a new invitation."),
    ),
    errors.EnoughForNow: (
        HTTPStatus.FORBIDDEN,
        N_("Time for a break"),
        N_("You have looked at hard things for a while. The queue is looked after; come back later."),
    ),
    errors.StorageUnavailable: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        N_("The service cannot reach its storage"),
        N_("Nothing has been done. Try again in a moment."),
    ),
    errors.DamagedAudit: (
        HTTPStatus.INTERNAL_SERVER_ERROR,
        N_("The audit log has been damaged"),
        N_("An entry was changed or removed. Tell whoever runs this service, now, and keep your last checkpoint."),
    ),
}
_MANY: Final[_Told] = (
    HTTPStatus.TOO_MANY_REQUESTS,
    N_("That was tried too often"),
    N_("Wait a few minutes, then try again."),
)
_STATUS: Final[Mapping[int, _Told]] = {
    404: (HTTPStatus.NOT_FOUND, N_("This page is not here"), N_("Perhaps the link is not complete.")),
    405: (HTTPStatus.METHOD_NOT_ALLOWED, N_("This page is not here"), N_("Perhaps the link is not complete.")),
    413: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, N_("This is too long"), N_("Nothing has been done. Write less.")),
}
_UNCLEAR: Final[_Told] = (
    HTTPStatus.BAD_REQUEST,
    N_("That did not work"),
    N_("Nothing has been done. Go back and try again."),
)
_BROKEN: Final[_Told] = (
    HTTPStatus.INTERNAL_SERVER_ERROR,
    N_("Something went wrong here"),
    N_("It is our mistake, and it has been noted for whoever runs this service."),
)
#: Their words say which rule, or how long; they are English.
_DETAILED: Final = (errors.WrongDecision,)


def refusal(visit: Visit, error: Exception, keeps: tuple[str, ...] = ()) -> Response:
    """Answer with what went wrong, and with the fields `keeps` of what was sent."""
    status, title, text = told(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # A database that is away says all in its words, and at each request.
        _log.error("%s", error, exc_info=None if isinstance(error, errors.StorageUnavailable) else error)
    tongue = visit.words
    headers = {}
    if (wait := getattr(error, "retry_after", None)) is not None:
        headers["Retry-After"] = str(wait)
    if visit.request.headers.get("accept") == "application/json":
        facts = {"title": tongue.text(title), "text": tongue.text(text)}
        return JSONResponse(facts, status_code=int(status), headers=headers)
    away = isinstance(error, errors.NotSignedIn)
    response = visit.show(
        "sign-in.html" if away else "refused.html",
        status=int(status),
        title=tongue.text(title),
        text=tongue.text(text),
        detail=str(error) if isinstance(error, _DETAILED) else "",
        written=[value for name in keeps for value in visit.form.all(name) if value.strip()],
        next=visit.path if away and visit.request.method == "GET" else "",
    )
    response.headers.update(headers)
    return response


def told(error: Exception) -> _Told:
    """Return the status of an error, and what is said about it."""
    match error:
        case errors.PasskeyRefused(retry_after=int()):
            return _MANY
        case HTTPException(status_code=status):
            return _STATUS.get(status, (HTTPStatus(status), *_UNCLEAR[1:]) if status < 500 else _BROKEN)
        case _:
            return _TOLD.get(type(error), _BROKEN)

"""What waits to be looked at, the most urgent first."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import Response

from tutela.console import desk
from tutela.console.pages import Pages
from tutela.console.visit import Visit
from tutela.provider.errors import StaleCase
from tutela.provider.review.lanes import Place, Show
from tutela.provider.review.people import Permission
from tutela.provider.review.policy import Urgency

pages = Pages()

_PLACE: Final = re.compile(r"([0-3])-([01])-([0-9]{1,15})-([0-9]{1,15})")
#: What somebody looks for, in characters: the longest account.
_WORDS: Final = 255


@pages.get("/queue", Permission.SEE_QUEUE)
def queue(visit: Visit) -> Response:
    """Show open cases, the most urgent first; all, or some."""
    return _queue(visit)


@pages.get("/waiting", Permission.SETTLE)
def waiting(visit: Visit) -> Response:
    """Show what waits for this person to second it, or to answer an appeal."""
    found = desk.lanes(visit).waiting(visit.person, after=_after(visit))
    return desk.show(visit, "waiting.html", queue=found, onwards=_onwards(found.onwards))


@pages.get("/find", Permission.SEE_QUEUE)
def find(visit: Visit) -> Response:
    """Find a case by an account, a report's reference, or its number."""
    words = visit.request.query_params.get("for", "")[:_WORDS]
    found = desk.lanes(visit).find(visit.person, words)
    if len(found) == 1:
        return visit.go(f"/cases/{found[0].id}")
    return desk.show(visit, "find.html", words=words, cases=found)


@pages.post("/cases/{case:int}/take", Permission.PROPOSE, confirmed=False)
def take(visit: Visit) -> Response:
    """Look after a case from now on."""
    case = visit.number("case")
    try:
        desk.assignments(visit).take(visit.person, case, visit.form.number("version"))
    except StaleCase:
        if visit.form.text("from") == "queue":
            return _queue(visit, status=409, quicker=case)
        raise
    return visit.go(f"/cases/{case}")


@pages.post("/cases/{case:int}/put-back", Permission.PROPOSE, confirmed=False)
def put_back(visit: Visit) -> Response:
    """Leave a case to the others."""
    case = visit.number("case")
    desk.assignments(visit).put_back(visit.person, case, visit.form.number("version"))
    return visit.go("/queue")


def _queue(visit: Visit, *, status: int = 200, quicker: int | None = None) -> Response:
    asked = visit.request.query_params
    try:
        show = Show(asked.get("show", Show.ALL))
        urgency = Urgency[asked["urgency"].upper()] if asked.get("urgency") else None
    except (ValueError, KeyError) as error:
        raise HTTPException(404) from error
    found = desk.lanes(visit).queue(visit.person, show=show, urgency=urgency, after=_after(visit))

    def address(**changes: object) -> str:
        values = {"show": show, "urgency": urgency and urgency.word} | changes
        kept = {name: value for name, value in values.items() if value is not None and value != Show.ALL}
        return "/queue" + (f"?{urlencode(kept)}" if kept else "")

    return desk.show(
        visit,
        "queue.html",
        status=status,
        queue=found,
        show=show,
        shows=list(Show),
        urgency_shown=urgency,
        address=address,
        onwards=_onwards(found.onwards),
        first=_after(visit) is None,
        quicker=quicker,
    )


def _after(visit: Visit) -> Place | None:
    text = visit.request.query_params.get("after")
    if text is None:
        return None
    found = _PLACE.fullmatch(text)
    if found is None:
        raise HTTPException(404)
    urgency, damped, due, case = map(int, found.groups())
    return (urgency, bool(damped), due, case)


def _onwards(place: Place | None) -> str | None:
    return None if place is None else f"{int(place[0])}-{int(place[1])}-{place[2]}-{place[3]}"

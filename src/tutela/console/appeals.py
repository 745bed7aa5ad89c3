"""Where the person concerned appeals: no account is needed, for theirs may be locked. The link is the secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from tutela.console import desk
from tutela.console.pages import Pages, Who
from tutela.console.visit import Visit
from tutela.language import N_
from tutela.provider.errors import DecisionSettled, UnknownDecision, WrongDecision
from tutela.provider.review import appeals
from tutela.provider.review.decisions import TEXT
from tutela.provider.review.policy import ActionKind

pages = Pages()

#: What is said of each action to whom it is done.
_DONE: Final[Mapping[ActionKind, str]] = {
    ActionKind.WARN: N_("You were warned."),
    ActionKind.QUARANTINE_MEDIUM: N_("A file that you sent was locked away."),
    ActionKind.LOCK: N_("Your account was locked."),
    ActionKind.SUSPEND: N_("Your account was suspended."),
    ActionKind.BAN: N_("Your account was closed for good."),
}
#: Links that are not known are counted for everybody together: they cannot be guessed, so this only ends the noise.
_UNKNOWN: Final = "appeal"


@pages.get("/appeal/{token}", Who.ANYBODY)
def appeal_page(visit: Visit) -> Response:
    """Show what was decided, and a form to appeal."""
    return _page(visit)


@pages.post("/appeal/{token}", Who.ANYBODY, confirmed=False, keeps=("text",))
def appeal(visit: Visit) -> Response:
    """Take in an appeal."""
    token, text = visit.request.path_params["token"], visit.form.text("text")
    _own(visit)
    try:
        visit.console.decisions.appeal(token, text)
    except DecisionSettled:
        return _page(visit, status=409)
    except WrongDecision:
        return _page(visit, status=422, wrong=True)
    return visit.go(f"/appeal/{token}")


def _page(visit: Visit, *, status: int = 200, wrong: bool = False) -> Response:
    own = _own(visit)
    done = [visit.words.text(_DONE[action]) for action in own.actions if action in _DONE]
    return desk.show(
        visit,
        "appeal.html",
        status=status,
        own=own,
        done=done,
        in_force=own.state == "in-force",
        written=visit.form.text("text"),
        wrong=wrong,
        text_limit=TEXT,
    )


def _own(visit: Visit) -> appeals.OwnDecision:
    try:
        return appeals.of_token(visit.console.provider.database, visit.request.path_params["token"])
    except UnknownDecision:
        visit.console.failures.count(_UNKNOWN)
        raise

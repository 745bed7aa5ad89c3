"""The audit log, for whoever watches the watchers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from tutela.console.pages import Pages
from tutela.console.visit import Visit
from tutela.language import N_
from tutela.provider.errors import DamagedAudit
from tutela.provider.review import audit
from tutela.provider.review.people import Permission
from tutela.transparency.checkpoint import Checkpoint

pages = Pages()

EVENTS: Final[Mapping[str, str]] = {
    "report-received": N_("A report came in"),
    "report-added-to": N_("Something was added to a report"),
    "taken": N_("Somebody took a case"),
    "put-back": N_("Somebody put a case back"),
    "proposed": N_("A decision was proposed"),
    "decided": N_("A decision was made"),
    "acted-at-once": N_("Somebody acted at once, in imminent danger"),
    "seconded": N_("A second person agreed"),
    "confirmed": N_("A second person confirmed what was done at once"),
    "refused": N_("A proposal was refused"),
    "lapsed": N_("What was done at once ended: nobody confirmed it in time"),
    "undo-proposed": N_("To undo a decision was proposed"),
    "undone": N_("A decision was undone"),
    "appealed": N_("The person concerned appealed"),
    "appeal-refused": N_("An appeal was answered: the decision stands"),
    "appeal-granted": N_("An appeal was answered: the decision is to be undone"),
    "decided-again": N_("A case was decided a second time, to compare"),
    "made-golden": N_("A case became part of the golden set"),
    "noted": N_("A note was written"),
    "carried-out": N_("It was carried out at the homeserver"),
    "could-not-be-carried-out": N_("It could not be carried out at the homeserver"),
    "invited": N_("Somebody was invited"),
    "invited-again": N_("Somebody was invited again"),
    "dismissed": N_("Somebody was dismissed"),
    "passkey-made": N_("Somebody made a passkey"),
    "passkey-suspected": N_("A passkey may exist twice, and was refused"),
    "signed-in": N_("Somebody signed in"),
}
OTHERS: Final[Mapping[str, str]] = {
    "reporter": N_("A reporter"),
    "person-concerned": N_("The person concerned"),
    "service": N_("The service"),
    "operator": N_("The operator"),
}
_LEAVES: Final = "application/jsonl"
_NOTE: Final = "text/plain; charset=utf-8"


@pages.get("/audit", Permission.READ_AUDIT)
def log(visit: Visit) -> Response:
    """Show what was logged, the newest first."""
    return _shown(visit)


@pages.post("/audit/verify", Permission.READ_AUDIT, confirmed=False)
def verify(visit: Visit) -> Response:
    """Read the whole log, and say whether it is what it was."""
    try:
        return _shown(visit, verified=visit.console.checkpoints.verified())
    except DamagedAudit as error:
        return _shown(visit, damage=str(error))


@pages.get("/audit/checkpoint", Permission.READ_AUDIT)
def checkpoint(visit: Visit) -> Response:
    """Hand out what the provider signs about the log as it is now."""
    return visit.download([visit.console.checkpoints.sign()], _NOTE, "checkpoint.txt")


@pages.get("/audit/leaves", Permission.READ_AUDIT)
def leaves(visit: Visit) -> Response:
    """Hand out the log, one entry a line, as it was hashed."""
    found = audit.leaves(visit.console.provider.database)
    return visit.download((leaf + b"\n" for leaf in found), _LEAVES, "audit.jsonl")


def _shown(visit: Visit, *, verified: Checkpoint | None = None, damage: str = "") -> Response:
    case, before = _asked(visit, "case"), _asked(visit, "before")
    with visit.console.provider.database.reading() as connection:
        found = audit.newest(connection, case=case, before=before)
    names, tongue = visit.console.staff.names(), visit.words
    others = {name: tongue.text(text) for name, text in OTHERS.items()}
    return visit.show(
        "audit.html",
        entries=found,
        case=case,
        older=found[-1].number if len(found) == audit.PAGE else None,
        who=lambda by: names.get(by) or others.get(by, by),
        what=lambda event: tongue.text(EVENTS[event]) if event in EVENTS else event,
        verified=verified,
        damage=damage,
        key=visit.console.checkpoints.key.verifier.encode(),
    )


def _asked(visit: Visit, name: str) -> int | None:
    text = visit.request.query_params.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise HTTPException(400)
    return int(text)

"""A case's page, and what is done on it. What somebody wrote and could not send stays in its form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from tutela.console import desk, media
from tutela.console.pages import Pages
from tutela.console.telling import READY
from tutela.console.visit import Visit
from tutela.language import N_, words
from tutela.provider.errors import (
    DecisionSettled,
    NamesSomebody,
    ReviewError,
    SamePerson,
    StaleCase,
    UnknownMedium,
    WrongDecision,
    WrongNote,
)
from tutela.provider.review.decisions import TEXT, Proposal
from tutela.provider.review.people import Permission
from tutela.provider.review.policy import ActionKind, Rule
from tutela.provider.review.records import DecisionRow
from tutela.provider.review.view import CasePage, Evidence, ShownDecision

pages = Pages()

_WENT_WRONG: Final[Mapping[type[ReviewError], tuple[int, str]]] = {
    StaleCase: (
        409,
        N_("Somebody else changed this case meanwhile. What you wrote is still here: look at the case, then decide."),
    ),
    DecisionSettled: (
        409,
        N_("Somebody was quicker: this is settled already, or something else is to be decided first."),
    ),
    SamePerson: (403, N_("You took part in this decision. Somebody who did not looks at it now.")),
    WrongDecision: (422, N_("This cannot be decided so. What you wrote is still here.")),
    NamesSomebody: (
        422,
        N_("What you wrote holds a word that is also the name of somebody who reported. Others read it."),
    ),
    WrongNote: (422, N_("A note has between 1 and 4,000 characters.")),
}


@pages.get("/cases/{case:int}", Permission.SEE_CASE)
def page(visit: Visit) -> Response:
    """Show a case."""
    return _page(visit, visit.number("case"))


@pages.post("/cases/{case:int}/decide", Permission.PROPOSE, confirmed=True, keeps=("reasons", "answer"))
def decide(visit: Visit) -> Response:
    """Decide, or propose to."""
    case, form = visit.number("case"), visit.form
    rule = desk.policy(visit).rule(form.text("rule"))
    proposal = Proposal(
        actions=chosen(visit, rule),
        rule=form.text("rule"),
        reasons=form.text("reasons"),
        answer=form.text("answer") or _ready(visit, case),
        bad_faith=frozenset(form.all("bad_faith")),
        media=form.all("medium"),
        sure=bool(form.text("sure")),
    )
    try:
        visit.console.decisions.propose(visit.person, case, form.number("version"), proposal, seen=form.number("seen"))
    except ReviewError as error:
        return _again(visit, case, "decide", error)
    return visit.go(f"/cases/{case}")


@pages.post("/cases/{case:int}/notes", Permission.WRITE_NOTES, confirmed=False, keeps=("note",))
def write_note(visit: Visit) -> Response:
    """Write a note for the others."""
    case = visit.number("case")
    desk.views(visit).check(visit.person, case)
    try:
        desk.notes(visit).write(visit.person, case, visit.form.text("note"))
    except WrongNote as error:
        return _again(visit, case, "note", error)
    return visit.go(f"/cases/{case}#notes")


@pages.post("/decisions/{decision}/second", Permission.SETTLE, confirmed=True)
def second(visit: Visit) -> Response:
    """Put into force what another person proposed."""
    return _settle(visit, lambda decision, version: visit.console.decisions.second(visit.person, decision, version))


@pages.post("/decisions/{decision}/refuse", Permission.SETTLE, confirmed=True, keeps=("reasons",))
def refuse(visit: Visit) -> Response:
    """Refuse what another person proposed, or take back one's own."""
    reasons, sure = visit.form.text("reasons"), bool(visit.form.text("sure"))
    return _settle(
        visit,
        lambda decision, version: visit.console.decisions.refuse(visit.person, decision, version, reasons, sure=sure),
    )


@pages.post("/decisions/{decision}/undo", Permission.PROPOSE, confirmed=True, keeps=("reasons",))
def undo(visit: Visit) -> Response:
    """Undo a decision, or propose to."""
    reasons = visit.form.text("reasons")
    return _settle(
        visit, lambda decision, version: visit.console.decisions.undo(visit.person, decision, version, reasons)
    )


@pages.post("/decisions/{decision}/answer", Permission.SETTLE, confirmed=True, keeps=("reasons",))
def answer_appeal(visit: Visit) -> Response:
    """Answer an appeal."""
    stands, reasons, sure = visit.form.text("stands"), visit.form.text("reasons"), bool(visit.form.text("sure"))
    if stands not in ("yes", "no"):
        raise HTTPException(400)
    return _settle(
        visit,
        lambda decision, version: visit.console.decisions.answer_appeal(
            visit.person, decision, version, stands=stands == "yes", reasons=reasons, sure=sure
        ),
    )


def _settle(visit: Visit, settle: Any) -> Response:
    decision: str = visit.request.path_params["decision"]
    case = visit.form.number("case")
    desk.views(visit).check(visit.person, case)
    try:
        settle(decision, visit.form.number("version"))
    except ReviewError as error:
        return _again(visit, case, f"{visit.path.rpartition('/')[2]} {decision}", error)
    return visit.go(f"/cases/{case}#decisions")


def _again(visit: Visit, case: int, form: str, error: ReviewError) -> Response:
    """Show the case as it is now, with what was written still in its form."""
    if type(error) not in _WENT_WRONG:
        raise error
    status, text = _WENT_WRONG[type(error)]
    named = isinstance(error, NamesSomebody)
    detail = str(error) if named or isinstance(error, WrongDecision) else ""
    return _page(visit, case, status=status, draft_of=form, wrong=visit.words.text(text), detail=detail, named=named)


def _page(
    visit: Visit,
    case: int,
    *,
    status: int = 200,
    draft_of: str = "",
    wrong: str = "",
    detail: str = "",
    named: bool = False,
) -> Response:
    asked = visit.request.query_params
    only = asked.get("report")
    found = desk.views(visit).case(
        visit.person,
        case,
        reports_page=number_in(asked, "reports"),
        messages_page=number_in(asked, "messages"),
        only=only,
    )
    rules, draft = desk.policy(visit), visit.form
    acts = [_acts(visit, found, shown) for shown in found.decisions]
    decides = visit.may(Permission.PROPOSE) and found.case.open and not _proposed(found)
    forms = {"note", *(["decide"] if decides else [])}
    forms |= {f"{act} {shown.decision.id}" for shown, may in zip(found.decisions, acts, strict=True) for act in may}
    return desk.show(
        visit,
        "case.html",
        status=status,
        page=found,
        evidence=found.evidence,
        case=found.case,
        only=only,
        base=f"/cases/{case}",
        files=files_of(visit, found.evidence),
        rules=rules.rules,
        needs_two=lambda action: rules.needs_two([action], found.case.urgency),
        at_once=lambda action: rules.may_act_at_once([action], found.case.urgency),
        urgent_hours=rules.urgent.hours,
        decisions=list(zip(found.decisions, acts, strict=True)),
        decides=decides,
        # Where the form itself has gone, what was written in it is shown by itself.
        gone=draft_of not in forms if draft_of else False,
        written=[draft.text(name) for name in ("reasons", "answer") if draft.text(name).strip()],
        draft_of=draft_of,
        draft=lambda form, name: draft.text(name) if form == draft_of else "",
        drafted=lambda name: draft.all(name) if draft_of == "decide" else (),
        wrong=wrong,
        detail=detail,
        named=named,
        ready=[(number, _in_languages(text, _languages(found.evidence))) for number, text in enumerate(READY)],
        shift=desk.exposures(visit).shift(visit.person),
        text_limit=TEXT,
    )


def chosen(visit: Visit, rule: Rule | None) -> tuple[ActionKind, ...]:
    """Return the actions that a form chose for the rule that it chose."""
    if rule is None:
        return ()
    if len(rule.actions) == 1:
        return rule.actions
    names = visit.form.all(f"action.{rule.id}")
    try:
        return tuple(ActionKind(name) for name in names)
    except ValueError as error:
        raise HTTPException(400) from error


def files_of(visit: Visit, evidence: Evidence) -> dict[str, dict[str, Any]]:
    """Return, by digest, what the bytes of the files on a page show."""
    found = {}
    for message in evidence.messages:
        for file in message.files:
            if file.arrived is not None:
                try:
                    found[file.sha256] = media.told(visit, file.report, file.sha256)
                except UnknownMedium:
                    continue  # lost from the disk: the page says that it is missing
    return found


def number_in(asked: Mapping[str, str], name: str) -> int:
    """Return the number of a page in an address, from 1 on.

    Raises:
        HTTPException: 404 if it is none.
    """
    text = asked.get(name, "1")
    if not (text.isascii() and text.isdigit() and 0 < len(text) <= 6):
        raise HTTPException(404)
    return int(text)


def _acts(visit: Visit, page: CasePage, shown: ShownDecision) -> frozenset[str]:
    """Return what this person may do about a decision now, by the forms' names."""
    decision, person = shown.decision, visit.person
    settles, mine = person.may(Permission.SETTLE), decision.proposed_by == person.id
    may = {
        "second": settles and decision.waiting and not mine,
        "refuse": settles and decision.waiting,
        "undo": person.may(Permission.PROPOSE) and _undoable(decision) and not shown.appealed and not _proposed(page),
        "answer": settles and shown.appealed and not decision.took_part(person),
    }
    return frozenset(act for act, yes in may.items() if yes)


def _undoable(decision: DecisionRow) -> bool:
    in_force = decision.state == "in-force" and decision.kind == "act" and not decision.waiting
    return in_force and ActionKind.DISCLOSE not in decision.actions


def _proposed(page: CasePage) -> bool:
    return any(shown.decision.state == "proposed" for shown in page.decisions)


def _languages(evidence: Evidence) -> list[str]:
    found = dict.fromkeys(words(report.language).language for report in evidence.reports)
    return list(found) or ["en"]


def _in_languages(text: str, languages: list[str]) -> str:
    return "\n\n".join(words(language).text(text) for language in languages)


def _ready(visit: Visit, case: int) -> str:
    """Return the ready-made answer that was chosen: where no script has put it into the form."""
    text = visit.form.text("ready")
    if not text:
        return ""
    if text not in map(str, range(len(READY))):
        raise HTTPException(400)
    return _in_languages(READY[int(text)], _languages(desk.views(visit).evidence(case)))

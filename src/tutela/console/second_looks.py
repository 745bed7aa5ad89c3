"""Second looks: a decided case is decided again by somebody who does not know how; and how well that agrees."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from tutela.console import desk
from tutela.console.case import chosen, files_of, number_in
from tutela.console.pages import Pages
from tutela.console.visit import Visit
from tutela.provider.errors import WrongDecision
from tutela.provider.review.agreement import Agreement
from tutela.provider.review.people import Permission
from tutela.provider.review.sampling import Choice, SampleRow

pages = Pages()

#: Below so many cases an interval says little.
FEW: Final = 30


@pages.get("/second-looks", Permission.PROPOSE)
def begin_page(visit: Visit) -> Response:
    """Say what a second look is, and offer one."""
    return desk.show(visit, "second_looks.html", nothing=False)


@pages.post("/second-looks", Permission.PROPOSE, confirmed=False)
def begin(visit: Visit) -> Response:
    """Give a case to look at, if there is one."""
    sample = desk.samples(visit).offer(visit.person)
    if sample is None:
        return desk.show(visit, "second_looks.html", nothing=True)
    return visit.go(f"/second-looks/{sample.id}")


@pages.get("/second-looks/{sample}", Permission.PROPOSE)
def page(visit: Visit) -> Response:
    """Show a case without its decision; once it is answered, both."""
    return _page(visit)


@pages.post("/second-looks/{sample}", Permission.PROPOSE, confirmed=False)
def answer(visit: Visit) -> Response:
    """Keep what was decided."""
    rule = visit.form.text("rule")
    choice = Choice(rule, chosen(visit, desk.policy(visit).rule(rule)))
    try:
        sample = desk.samples(visit).answer(visit.person, visit.request.path_params["sample"], choice)
    except WrongDecision:
        return _page(visit, status=422, wrong=True)
    return visit.go(f"/second-looks/{sample.id}")


@pages.get("/agreement", Permission.SEE_AGREEMENT)
def agreement(visit: Visit) -> Response:
    """Show how well decisions agree: figures only, of no one person."""
    found = desk.samples(visit).agreements()
    return desk.show(visit, "agreement.html", found=found, few=FEW, bar=_bar)


def _page(visit: Visit, *, status: int = 200, wrong: bool = False) -> Response:
    sample = desk.samples(visit).mine(visit.person, visit.request.path_params["sample"])
    if sample.given is not None:
        return _compared(visit, sample)
    asked = visit.request.query_params
    evidence = desk.views(visit).evidence(
        sample.case,
        reports_page=number_in(asked, "reports"),
        messages_page=number_in(asked, "messages"),
        only=asked.get("report"),
    )
    return desk.show(
        visit,
        "second_look.html",
        status=status,
        sample=sample,
        evidence=evidence,
        only=asked.get("report"),
        base=f"/second-looks/{sample.id}",
        files=files_of(visit, evidence),
        rules=desk.policy(visit).rules,
        draft=lambda _, name: visit.form.text(name),
        drafted=visit.form.all,
        wrong=wrong,
        shift=desk.exposures(visit).shift(visit.person),
    )


def _compared(visit: Visit, sample: SampleRow) -> Response:
    return desk.show(visit, "compared.html", sample=sample, same=sample.given == sample.expected)


def _bar(found: Agreement) -> dict[str, float] | None:
    """Return where the plot draws kappa and its interval: in parts of 100, from -1 to 1."""
    if found.kappa is None:
        return None
    return {
        "value": round(50 + 50 * found.kappa.value, 2),
        "low": round(50 + 50 * found.kappa.low, 2),
        "width": round(50 * (found.kappa.high - found.kappa.low), 2),
    }

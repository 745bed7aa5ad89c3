"""What the pages of review reach for: its stores, over the console's provider."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from tutela.console.telling import telling, who
from tutela.console.visit import Visit
from tutela.provider.review.assigning import Assignments
from tutela.provider.review.lanes import Lanes
from tutela.provider.review.notes import Notes
from tutela.provider.review.policy import Policy
from tutela.provider.review.sampling import Samples
from tutela.provider.review.view import Views
from tutela.provider.review.wellness import Exposures


def policy(visit: Visit) -> Policy:
    """Return the published policy."""
    return visit.console.provider.reports.policy


def lanes(visit: Visit) -> Lanes:
    """Return the queue."""
    return Lanes(visit.console.provider.database, visit.console.provider.clock)


def views(visit: Visit) -> Views:
    """Return the cases as they are looked at."""
    reports = visit.console.provider.reports
    return Views(reports.database, reports.stamps, reports.files)


def assignments(visit: Visit) -> Assignments:
    """Return who looks after which case."""
    return Assignments(visit.console.provider.database, visit.console.provider.clock)


def notes(visit: Visit) -> Notes:
    """Return the notes."""
    provider = visit.console.provider
    return Notes(provider.database, provider.clock, visit.console.staff.random)


def exposures(visit: Visit) -> Exposures:
    """Return how much was looked at."""
    provider = visit.console.provider
    return Exposures(provider.database, provider.clock, policy(visit).wellness)


def samples(visit: Visit) -> Samples:
    """Return the second looks."""
    provider = visit.console.provider
    return Samples(provider.database, provider.clock, visit.console.staff.random, policy(visit))


def show(visit: Visit, template: str, *, status: int = 200, **values: Any) -> Response:
    """Answer with a page of review: its templates are given the words of review, and everybody's name."""
    told = telling(visit.words, policy(visit))
    names = who(visit.console.staff.names(), visit.words) if visit.somebody is not None else None
    return visit.show(
        template, status=status, **(told | {"who": names, "now": visit.console.provider.clock()} | values)
    )

"""What waits to be looked at."""

from __future__ import annotations

from starlette.responses import Response

from tutela.console.pages import Pages
from tutela.console.visit import Visit
from tutela.provider.review import cases
from tutela.provider.review.people import Permission

pages = Pages()


@pages.get("/queue", Permission.SEE_QUEUE)
def queue(visit: Visit) -> Response:
    """Show open cases, the most urgent first."""
    with visit.console.provider.database.reading() as connection:
        waiting = cases.queue(connection)
    return visit.show("queue.html", cases=waiting)


@pages.get("/waiting", Permission.SETTLE)
def waiting(visit: Visit) -> Response:
    """Show what a second person is to decide on."""
    return visit.show("queue.html", cases=[])

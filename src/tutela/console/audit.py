"""The audit log, for whoever watches the watchers."""

from __future__ import annotations

from starlette.responses import Response

from tutela.console.pages import Pages
from tutela.console.visit import Visit
from tutela.provider.review.people import Permission

pages = Pages()


@pages.get("/audit", Permission.READ_AUDIT)
def log(visit: Visit) -> Response:
    """Show what was logged, the newest first."""
    return visit.show("audit.html")

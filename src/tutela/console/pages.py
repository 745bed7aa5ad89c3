"""Declaring pages: each with who may see it and, where it changes something, whether a passkey confirms it.

::

    pages = Pages()

    @pages.get("/cases/{case:int}", Permission.SEE_CASE)
    def case(visit: Visit) -> Response:
        return visit.show("case.html", …)

    @pages.post("/cases/{case:int}/notes", Permission.WRITE_NOTES, confirmed=False, keeps=("text",))
    def write_note(visit: Visit) -> Response:
        …
        return visit.go(f"/cases/{…}")

Pages are ordinary functions: they run in a thread, so that they may ask the database. What they cannot do they raise
(`provider.errors`), and `refusals` makes a page of it, with the fields that `keeps` names, so that nobody writes
anything twice.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from starlette.responses import Response

from tutela.provider.review.people import Permission

if TYPE_CHECKING:
    from tutela.console.visit import Visit


class Who(enum.Enum):
    """Who may see a page that no permission guards."""

    ANYBODY = "anybody"
    SIGNED_IN = "signed in"


Handler: TypeAlias = "Callable[[Visit], Response]"


@dataclass(frozen=True)
class Page:
    """One page, or one form that can be sent."""

    method: str
    path: str
    """As Starlette's routes write it."""
    who: Who | Permission
    handler: Handler
    confirmed: bool = False
    """Whether the passkey is asked again, for just what the form says."""
    keeps: tuple[str, ...] = ()
    """Fields that somebody wrote: shown again if the form is refused."""


class Pages:
    """The pages of one subject."""

    def __init__(self) -> None:
        self._pages: list[Page] = []

    def get(self, path: str, who: Who | Permission) -> Callable[[Handler], Handler]:
        """Declare a page that is looked at."""

        def declare(handler: Handler) -> Handler:
            self._pages.append(Page("GET", path, who, handler))
            return handler

        return declare

    def post(
        self, path: str, who: Who | Permission, *, confirmed: bool, keeps: tuple[str, ...] = ()
    ) -> Callable[[Handler], Handler]:
        """Declare a form that changes something."""

        def declare(handler: Handler) -> Handler:
            self._pages.append(Page("POST", path, who, handler, confirmed, keeps))
            return handler

        return declare

    def __iter__(self) -> Iterator[Page]:
        return iter(self._pages)

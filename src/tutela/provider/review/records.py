"""A decision as it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row

from tutela.provider.review.people import Person
from tutela.provider.review.policy import ActionKind

PROPOSED: Final = "proposed"
IN_FORCE: Final = "in-force"
REFUSED: Final = "refused"
UNDONE: Final = "undone"
LAPSED: Final = "lapsed"


@dataclass(frozen=True)
class DecisionRow:
    """A decision. Times in milliseconds."""

    id: str
    case: int
    kind: str
    """`act`, or `undo` of another decision."""
    of: str | None
    actions: tuple[ActionKind, ...]
    rule: str
    reasons: str
    answer: str
    bad_faith: tuple[str, ...]
    """Ids of reports that were made to harm somebody."""
    media: tuple[str, ...]
    """Addresses of what is withdrawn."""
    seen: int
    """What had come into the case when it was proposed."""
    at_once: bool
    state: str
    proposed_by: str
    proposed: int
    settled_by: str | None
    settled: int | None
    lapses: int | None

    def took_part(self, person: Person) -> bool:
        """Whether somebody proposed or settled it."""
        return person.id in (self.proposed_by, self.settled_by)

    @property
    def waiting(self) -> bool:
        """Whether a second person is to decide on it."""
        return self.state == PROPOSED or (self.state == IN_FORCE and self.lapses is not None)


def read_row(found: Row[Any]) -> DecisionRow:
    """Return a row of the table of decisions."""
    values = dict(found._mapping)
    values["actions"] = tuple(ActionKind(name) for name in values["actions"].split())
    for name in ("bad_faith", "media"):
        values[name] = tuple(values[name].split())
    return DecisionRow(**values)

"""An appeal as the person concerned sees it, by the link that they were given. Nothing here names who reported."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from tutela.provider.database import Database
from tutela.provider.errors import UnknownDecision
from tutela.provider.review.decisions import token_digest
from tutela.provider.review.policy import ActionKind
from tutela.provider.review.records import IN_FORCE
from tutela.provider.review.tables import Appeal, Decision


@dataclass(frozen=True)
class OwnDecision:
    """What was decided about somebody, and how far their appeal is. Times in milliseconds."""

    id: str
    actions: tuple[ActionKind, ...]
    rule: str
    reasons: str
    state: str
    decided: int
    ends: int | None
    """When it ends by itself, unless a second person confirms it."""
    confirmed: bool
    """Whether it was to end by itself, and a second person has confirmed it."""
    received: int | None
    """When they appealed."""
    answered: int | None
    stands: bool | None
    answer: str


def of_token(database: Database, token: str) -> OwnDecision:
    """Return the decision that somebody may appeal against with `token`.

    Raises:
        UnknownDecision: nobody was given this token.
    """
    with database.reading() as connection:
        found = connection.execute(
            select(Decision, Appeal)
            .with_only_columns(
                Decision.id,
                Decision.actions,
                Decision.rule,
                Decision.reasons,
                Decision.state,
                Decision.proposed,
                Decision.settled,
                Decision.lapses,
                Decision.at_once,
                Decision.settled_by,
                Appeal.received,
                Appeal.answered,
                Appeal.stands,
                Appeal.reasons.label("answer"),
            )
            .join(Appeal, Appeal.decision == Decision.id)
            .where(Appeal.token == token_digest(token))
        ).first()
    if found is None:
        raise UnknownDecision("this link is not known here", hint="Check that it is complete.")
    return OwnDecision(
        id=found.id,
        actions=tuple(ActionKind(name) for name in found.actions.split()),
        rule=found.rule,
        reasons=found.reasons,
        state=found.state,
        decided=found.settled if found.settled is not None else found.proposed,
        ends=found.lapses,
        confirmed=found.at_once and found.state == IN_FORCE and found.settled_by is not None,
        received=found.received,
        answered=found.answered,
        stands=found.stands,
        answer=found.answer or "",
    )

"""Carrying out decisions at the homeserver: every action at least once, and none with effect twice.

A worker takes the actions whose turn it is, has an `Enforcer` perform each, and marks it done. Killed in between, it
performs the action again: so an enforcer must see for itself whether it was done already (an account that is locked
stays locked; a message bears the action's id, and the room is searched for it before it is sent).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Row, insert, select, update

from tutela.provider.clock import Clock
from tutela.provider.database import Database
from tutela.provider.errors import EnforcerAway, EnforcerError, EnforcerRefused, ProviderError
from tutela.provider.review import audit, outbox
from tutela.provider.review.decisions import Decisions, token_digest
from tutela.provider.review.policy import Policy
from tutela.provider.review.records import read_row
from tutela.provider.review.statement import Facts, confirmed, stands, statement, taken_back
from tutela.provider.review.tables import Action, Appeal, Decision

_log: Final = logging.getLogger("tutela.review")

#: Waits between attempts, in milliseconds; the last one is repeated.
WAITS: Final = (1_000, 5_000, 30_000, 120_000, 600_000)
#: The longest pause that a homeserver can ask for.
_LONGEST_WAIT: Final = 3_600_000
#: After so many attempts somebody is asked to look; it is tried on all the same.
_ALARMING: Final = 8
#: After so many attempts of one that the homeserver answers and does not do, others do not wait for it any more.
PATIENCE: Final = 4
#: How long one attempt may take, in seconds: less than `outbox.LEASE`, after which another worker takes it over.
_ATTEMPT_SECONDS: Final = 45


@dataclass(frozen=True)
class PendingAction:
    """One thing to do. `id` never changes."""

    id: str
    kind: str
    target: str
    text: str


class Enforcer(Protocol):
    """Whoever can act at the homeserver."""

    async def perform(self, action: PendingAction) -> None:
        """Do it, or see that it is done; doing it again changes nothing.

        Raises:
            EnforcerRefused: it can never be done, whatever is tried (an account of another homeserver).
            EnforcerAway: not now, nor anything else.
            EnforcerError: not now.
        """


@dataclass(frozen=True)
class Worker:
    """Carries out what is in the outbox. Several may run at once."""

    database: Database
    clock: Clock
    policy: Policy
    decisions: Decisions
    enforcer: Enforcer
    appeals: str
    """Where appeals are made; the token is added at the end."""
    secret: bytes
    """Of the provider's: appeal tokens are derived from it, so that a statement written again is the same."""

    async def run(self, seconds: float = 1.0) -> None:
        """Carry out what comes, until it is cancelled; whether there is something is looked up every `seconds`."""
        while True:
            await _tried(asyncio.to_thread(self.decisions.lapse))
            if not await _tried(self.run_once()):
                await asyncio.sleep(seconds)

    async def run_once(self) -> bool:
        """Carry out one action, if one is due; return whether there was one.

        Raises:
            StorageUnavailable: the database has gone. What was done and could not be noted is done again later.
        """
        taken = await asyncio.to_thread(self._take)
        if taken is None:
            return False
        action, attempts = taken
        try:
            async with asyncio.timeout(_ATTEMPT_SECONDS):
                await self.enforcer.perform(action)
        except asyncio.CancelledError:
            with contextlib.suppress(ProviderError):
                self._put_off(action, 0, "interrupted")  # the service stops: whoever comes next need not wait
            raise
        except EnforcerRefused as error:
            _log.error("action %s (%s) can never be done: %s", action.id, action.kind, error)
            await asyncio.to_thread(self._settle, action, outbox.FAILED, _told(error))
        except (EnforcerError, OSError, TimeoutError) as error:
            level = logging.ERROR if attempts >= _ALARMING else logging.WARNING
            _log.log(level, "action %s (%s) was not done at attempt %d: %s", action.id, action.kind, attempts, error)
            asked = 1000 * (getattr(error, "retry_after", None) or 0)
            wait = max(WAITS[min(attempts, len(WAITS)) - 1], min(asked, _LONGEST_WAIT))
            holds = attempts < PATIENCE or isinstance(error, EnforcerAway)
            await asyncio.to_thread(self._put_off, action, wait, _told(error), holds=holds)
        except Exception as error:
            _log.exception("action %s (%s) was not done at attempt %d", action.id, action.kind, attempts)
            await asyncio.to_thread(self._put_off, action, WAITS[-1], repr(error), holds=attempts < PATIENCE)
        else:
            await asyncio.to_thread(self._settle, action, outbox.DONE, "")
        return True

    def _take(self) -> tuple[PendingAction, int] | None:
        row = Action
        due = (
            select(row)
            .where(row.state == outbox.WAITING, row.after <= self.clock(), ~outbox.held_up())
            .order_by(row.after, row.number)
            .limit(1)
        )
        with self.database.reading() as connection:  # without a lock: mostly there is nothing to do
            if connection.execute(due).first() is None:
                return None
        with self.database.writing() as connection:
            found = connection.execute(due).first()
            if found is None:
                return None  # another worker was quicker
            values = {"after": self.clock() + outbox.LEASE, "attempts": found.attempts + 1}
            connection.execute(update(row).where(row.id == found.id).values(**values))
            text = self._text(connection, found)
        return PendingAction(found.id, found.kind, found.target, text), found.attempts + 1

    def _text(self, connection: Connection, action: Row[Any]) -> str:
        if action.kind not in (outbox.STATEMENT, outbox.CORRECTION, outbox.CONFIRMATION):
            return str(action.text)
        if action.kind == outbox.CONFIRMATION:
            return confirmed(action.decision)
        decision = read_row(connection.execute(select(Decision).where(Decision.id == action.decision)).one())
        if action.kind == outbox.CORRECTION:
            if action.text:
                return stands(decision.id, action.text)
            return taken_back(decision.id, in_part=bool(outbox.still_needed(connection, decision, [action.target])))
        proven = next(outbox.proven_of(connection, decision.case), None) is not None
        token = self._token(decision.id)
        if connection.execute(select(Appeal.decision).where(Appeal.decision == decision.id)).first() is None:
            connection.execute(insert(Appeal).values(decision=decision.id, token=token_digest(token)))
        return statement(Facts(decision, proven, self.appeals + token), self.policy)

    def _token(self, decision: str) -> str:
        made = hmac.digest(self.secret, b"tutela/appeal-token/1\x00" + decision.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(made[:24]).decode()

    def _settle(self, action: PendingAction, state: str, detail: str) -> None:
        row, now = Action, self.clock()
        with self.database.writing() as connection:
            mine = update(row).where(row.id == action.id, row.state == outbox.WAITING)
            if not connection.execute(mine.values(state=state, done=now, detail=detail[:500])).rowcount:
                return  # withdrawn meanwhile, or done by another worker
            found = connection.execute(
                select(row.decision, Decision.case)
                .join(Decision, Decision.id == row.decision)
                .where(row.id == action.id)
            ).one()
            entry = audit.Entry(
                event="carried-out" if state == outbox.DONE else "could-not-be-carried-out",
                by="service",
                case=found.case,
                decision=found.decision,
                action=action.kind,
            )
            audit.append(connection, now, entry)

    def _put_off(self, action: PendingAction, wait: int, detail: str, *, holds: bool = True) -> None:
        row = Action
        values: dict[str, object] = {"after": self.clock() + wait, "detail": detail[:500]}
        if not holds:
            values["holds"] = False
        with self.database.writing() as connection:
            connection.execute(update(row).where(row.id == action.id, row.state == outbox.WAITING).values(**values))


async def _tried(step: Awaitable[object]) -> bool:
    """Take a step, and log what goes wrong: nothing ends all acting. Return what the step returned, if it is true."""
    try:
        return bool(await step)
    except ProviderError as error:
        _log.warning("decisions cannot be carried out just now: %s", error)
    except Exception:
        _log.exception("decisions cannot be carried out just now")
    return False


def _told(error: Exception) -> str:
    hint = getattr(error, "hint", None)
    return f"{error} {hint}" if hint else str(error) or type(error).__name__

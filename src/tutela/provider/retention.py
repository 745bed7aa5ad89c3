"""What is forgotten, and when: everything about an account, as soon as it serves nothing any more."""

from __future__ import annotations

from sqlalchemy import delete

from tutela.provider.database import Database
from tutela.provider.tables import Allowance, Session, SpentToken


def forget(database: Database, now: int) -> int:
    """Erase ended sessions, tokens that nobody could use any more, and full allowances; return how many rows."""
    expired = (Session.expires <= now, SpentToken.forget <= now, Allowance.whole <= now)
    with database.writing() as connection:
        rows = sum(
            connection.execute(delete(table).where(condition)).rowcount
            for table, condition in zip((Session, SpentToken, Allowance), expired, strict=True)
        )
    database.settle()
    return rows

"""How many checks an account may make: the published policy's `checks_per_hour`.

*The evasion oracle.* A device must learn whether its own picture is listed; so somebody can edit a listed picture
and ask again until it passes. This allowance is what makes that slow, and it is all that the provider can do about
it: it does not see that two checks belong to the same picture. More query views make each edit less useful; the rest
remains, and `docs/provider.md` says so.

A token bucket that holds one hour's checks and refills evenly, kept as one number for an account: the time at which
the bucket will be full again (the generic cell rate algorithm, ITU-T I.371). So after a quiet hour an account can
make an hour's checks at once, and never more than two hours' checks within any one hour. No list of the times at
which an account made checks is ever kept, a restart resets nothing, and the row is erased when the bucket is full.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from tutela.provider import tables
from tutela.provider.clock import Clock
from tutela.provider.database import Database
from tutela.provider.errors import Busy, RateLimited

HOUR: Final = 3_600_000
_ATTEMPTS: Final = 8


def spend(whole: int | None, now: int, per_hour: int) -> tuple[int, int]:
    """Take one check out of a bucket of `per_hour` that is full at `whole` (milliseconds; `None`: full now).

    Returns when it will be full after that, and how long to wait if there was no check to take (else 0).
    """
    interval = -(-HOUR // per_hour)
    emptied = now + interval * per_hour
    # Never later than an empty bucket fills: a clock that was once ahead must not lock an account out.
    after = min(max(now if whole is None else whole, now), emptied) + interval
    return after, max(0, after - emptied)


@dataclass(frozen=True)
class Allowances:
    """The accounts' buckets. Safe to share between threads and processes."""

    database: Database
    clock: Clock

    def take(self, account: str, per_hour: int) -> None:
        """Take one check.

        Raises:
            RateLimited: there is none left; `retry_after` says in how many seconds there will be one.
            Busy: the account makes so many checks at once that they get in each other's way.
        """
        row = tables.Allowance
        for _ in range(_ATTEMPTS):
            with self.database.writing() as connection:
                now = self.clock()
                whole = connection.scalar(select(row.whole).where(row.account == account))
                after, wait = spend(whole, now, per_hour)
                if wait:
                    raise RateLimited(
                        f"this account has used up its allowance of {per_hour} checks an hour",
                        hint="Wait a little; the check can be made then.",
                        retry_after=-(-wait // 1000),
                    )
                try:
                    if whole is None:
                        with connection.begin_nested():
                            connection.execute(insert(row).values(account=account, whole=after))
                        return
                    # Only if nobody else took one meanwhile (where writers do not queue).
                    if connection.execute(
                        update(row).where(row.account == account, row.whole == whole).values(whole=after)
                    ).rowcount:
                        return
                except IntegrityError:
                    continue
        raise Busy("too many checks of one account at once", retry_after=1)

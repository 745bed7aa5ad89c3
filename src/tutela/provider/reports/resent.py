"""How much an account has sent that was of no use: what is here already, and what is not what it should be.

Kept in memory, because it is there to spare work and must not make any: a restart forgets it.
"""

from __future__ import annotations

from typing import Final

#: Time in milliseconds over which it is counted, and accounts that are remembered before those of before are let go.
_DAY: Final = 24 * 3_600_000
_ACCOUNTS: Final = 10_000
#: The least that one counts, in bytes: each costs more than its size.
LEAST: Final = 1 << 20


class Resent:
    """Counts bytes by account, in days that begin with the first. One event loop's."""

    def __init__(self) -> None:
        self._counted: dict[str, tuple[int, int]] = {}

    def count(self, account: str, size: int, now: int) -> None:
        """Count one file."""
        began, so_far = self._counted.get(account, (now, 0))
        if now - began >= _DAY:
            began, so_far = now, 0
        if len(self._counted) >= _ACCOUNTS:
            self._counted = {one: at for one, at in self._counted.items() if now - at[0] < _DAY}
        self._counted[account] = (began, so_far + max(size, LEAST))

    def of(self, account: str, now: int) -> int:
        """Return how many bytes were counted within a day."""
        began, so_far = self._counted.get(account, (now, 0))
        return so_far if now - began < _DAY else 0

"""How often something may be tried.

Only what failed is counted, or what somebody who is known asks for; what is right is never refused. So nobody can lock
somebody else out by trying: passkeys' answers and links cannot be guessed, and the limit only ends the noise.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final

from tutela.provider.clock import Clock
from tutela.provider.errors import PasskeyRefused

_KEYS: Final = 4096


@dataclass(frozen=True)
class Limit:
    """At most `most` times in `window` milliseconds, for each key."""

    clock: Clock
    most: int
    window: int
    _counted: dict[str, tuple[int, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, key: str) -> None:
        """Count once more.

        Raises:
            PasskeyRefused: that was too often; it says when to try again.
        """
        now = self.clock()
        with self._lock:
            began, times = self._counted.pop(key, (now, 0))
            if now - began >= self.window:
                began, times = now, 0
            self._counted[key] = (began, times + 1)  # at the end, so that the first one is the oldest
            while len(self._counted) > _KEYS:
                del self._counted[next(iter(self._counted))]
        if times >= self.most:
            seconds = max(1, -(-(began + self.window - now) // 1000))
            raise PasskeyRefused("too many attempts", hint="Wait a few minutes.", retry_after=seconds)

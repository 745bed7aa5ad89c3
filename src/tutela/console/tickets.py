"""Challenges for signing in, which nobody need be known for: so they are kept nowhere until one was answered well.

A ticket says until when it is good, under a key that this process made when it started. Asking for tickets costs
nothing that could run out; and only what a passkey has signed is remembered, so that it is taken once.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from dataclasses import dataclass, field
from typing import Final

from tutela.matching.voprf import RandomBytes
from tutela.provider.clock import Clock
from tutela.provider.errors import PasskeyRefused
from tutela.provider.review.staff import CHALLENGE

_TIME_BYTES: Final = 8
_NONCE_BYTES: Final = 16
_MAC_BYTES: Final = 32


@dataclass(frozen=True)
class Tickets:
    """Gives and takes tickets. Those of another process are refused."""

    clock: Clock
    random: RandomBytes
    key: bytes
    _taken: dict[bytes, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def give(self) -> bytes:
        """Return a ticket."""
        body = (self.clock() + CHALLENGE).to_bytes(_TIME_BYTES) + self.random(_NONCE_BYTES)
        return body + self._mac(body)

    def check(self, ticket: bytes) -> None:
        """Go on only with a ticket of ours that is still good.

        Raises:
            PasskeyRefused: it is not.
        """
        body, mac = ticket[:-_MAC_BYTES], ticket[-_MAC_BYTES:]
        good = hmac.compare_digest(mac, self._mac(body)) and self.clock() < int.from_bytes(body[:_TIME_BYTES])
        if not good or ticket in self._taken:
            raise _spent()

    def take(self, ticket: bytes) -> None:
        """Take a ticket that was checked and answered well.

        Raises:
            PasskeyRefused: it was taken before.
        """
        now = self.clock()
        with self._lock:
            for old in [one for one, expires in self._taken.items() if expires <= now]:
                del self._taken[old]
            if ticket in self._taken:
                raise _spent()
            self._taken[ticket] = int.from_bytes(ticket[:_TIME_BYTES])

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self.key, b"tutela/sign-in/1\x00" + body, hashlib.sha256)


def _spent() -> PasskeyRefused:
    return PasskeyRefused("this took too long, or was answered before", hint="Try again.")

"""What a client needs of a guard. `tutela.device.Guard` is one; tests use another."""

from __future__ import annotations

from typing import Protocol

from tutela.device.verdict import Verdict


def question(verdict: Verdict) -> str:
    """Name what a user is asked at a *warn*: who said yes to one question has not said yes to another."""
    return f"{verdict.outcome} {verdict.reason} {verdict.list_class or '-'}"


class GuardLike(Protocol):
    """Checks pictures. A check never raises: what goes wrong is the outcome *unchecked*."""

    def choose(self, picture: bytes) -> None:
        """Start checking a picture that the user has just chosen."""

    async def check_outgoing(self, picture: bytes) -> Verdict:
        """Return the verdict on a picture about to be sent."""

    async def check_incoming(self, picture: bytes) -> Verdict:
        """Return the verdict on a picture just received."""

    async def close(self) -> None:
        """End what is under way."""

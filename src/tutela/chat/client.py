"""What the page needs of a client. The Matrix room's `GuardedClient` is one; tests use a pair in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from tutela.device.verdict import Verdict
from tutela.integrations.matrix.client import GuardedClient, Held, Sent
from tutela.integrations.matrix.timeline import TimelineEvent


class ChatClient(Protocol):
    """One account's guarded client."""

    @property
    def user_id(self) -> str:
        """The account, such as `@mia:example.org`."""
        ...

    @property
    def events(self) -> AsyncIterator[TimelineEvent]:
        """What happens, in order, until the client is closed; also what this account sends itself."""
        ...

    async def send_text(self, room_id: str, text: str) -> str:
        """Encrypt and send text; return the event's id."""
        ...

    def choose_picture(self, data: bytes) -> None:
        """Start checking a picture that the user has just chosen."""
        ...

    async def send_picture(
        self, room_id: str, data: bytes, filename: str, *, confirmed: Verdict | None = None
    ) -> Sent | Held:
        """Check a picture and, unless it is held for another reason than the user has confirmed, send it."""
        ...

    def accept_new_identity(self, user_id: str, *, shown: str | None = None) -> None:
        """Accept the identity that `user_id` publishes now, if its fingerprint is the one that was shown."""
        ...

    def accept_reader(self, room_id: str, user_id: str) -> None:
        """Let somebody read who has come into a room."""
        ...


def _fits(client: GuardedClient) -> ChatClient:
    return client  # mypy holds the two together

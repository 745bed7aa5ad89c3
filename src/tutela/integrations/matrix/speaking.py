"""Who speaks for the service: one account, named by configuration, in a private room that it made for one person.

Pure. What it says there is not encrypted (docs/decisions/0016-notices-are-not-encrypted.md), so it is worth what the
homeserver is: it can put words into the account's mouth, or hold them back. Other people can do neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tutela.integrations.matrix.errors import MatrixError
from tutela.integrations.matrix.rooms import Room, is_user_id
from tutela.integrations.matrix.signed_json import at, whole
from tutela.integrations.matrix.timeline import ServiceMessage

#: Characters of one message; an event of Matrix has no more bytes than these.
_LONGEST: Final = 65_536


@dataclass(frozen=True)
class Speaker:
    """The account that speaks for the service to `listener`.

    Raises:
        MatrixError: `service` is not the whole name of an account, or it is the listener.
    """

    service: str
    listener: str

    def __post_init__(self) -> None:
        if not is_user_id(self.service) or self.service == self.listener:
            raise MatrixError(
                f"{self.service!r} cannot speak for the service",
                hint="Name the whole account, such as @safety:matrix.example, and another than this client's.",
            )

    def invites(self, room_id: str, inviter: str, state: Iterable[Any]) -> bool:
        """Whether an invitation is the service's own, into a room that it made and that is not encrypted."""
        room = Room(room_id)
        for event in state:
            room.apply(event)
        return inviter == self.service == room.creator and not room.encrypted

    def message(self, room: Room, head: Mapping[str, Any], raw: Any) -> ServiceMessage | None:
        """Return what the service says with an event of `room`, or `None` if that is not what it is."""
        private = room.creator == self.service and room.joined | room.invited == {self.service, self.listener}
        content, text = at(raw, "content"), at(raw, "content", "body")
        if not private or room.encrypted or head["sender"] != self.service or at(raw, "type") != "m.room.message":
            return None
        if at(content, "msgtype") != "m.text" or not isinstance(text, str):
            return None
        return ServiceMessage(**head, text=whole(text[:_LONGEST]))

"""What people are told about their account: a message of the service account, in a room of their own, exactly once.

The laws of order:

1. Each person has one room. Its alias is made from the person's id with a secret: so it is found again whatever was
   noted or forgotten, two that make it at once get the same one, and nobody else can ask whether it exists.
2. The person is in the room before anything is sent there, and is brought back if they left: what is decided about
   somebody is told to them.
3. Each message bears the id of its action. The room is searched for it before it is sent, and its transaction id is
   made from it, too: the homeserver drops a second one even while the first is still under way.

Messages are not encrypted: docs/decisions/0016-notices-are-not-encrypted.md says why.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from tutela.integrations.matrix.admin_api import AdminApi, Denied
from tutela.language import LANGUAGES, N_, words
from tutela.provider.errors import EnforcerError, EnforcerRefused

#: The field of a message that names its action.
ACTION_FIELD: Final = "org.tutela.action"
_CLIENT: Final = "/_matrix/client/v3"
_NAME: Final = N_("Messages about your account")
_MESSAGE: Final = "m.room.message"
_PAGE: Final = "100"


@dataclass(frozen=True)
class Notices:
    """The rooms in which one service account tells people about decisions."""

    api: AdminApi
    server: str
    """The homeserver's name."""
    secret: bytes

    async def send(self, service: str, person: str, action: str, text: str) -> None:
        """Send `text` to `person`, unless the message of this action is there already. `service` is who sends it.

        Raises:
            EnforcerRefused: it lies in the room, and the person cannot come to read it.
            EnforcerError: not now.
        """
        room = await self._room(person)
        there = await self._bring_in(room, person)
        if not await self._is_sent(room, service, action):
            # Not `m.notice`: nobody is notified of those.
            content = {"msgtype": "m.text", "body": text, ACTION_FIELD: action}
            await self.api.request("PUT", f"{_rooms(room)}/send/{_MESSAGE}/tutela-{action}", content)
        if not there:
            raise EnforcerRefused(
                f"{person} is suspended and has left the room in which they are told: the message waits there",
                hint="Tell them in another way, or by an invitation once they are not suspended any more.",
            )

    async def _room(self, person: str) -> str:
        name = self._alias(person)
        alias = f"#{name}:{self.server}"
        if (found := await self._resolved(alias)) is not None:
            return found
        try:
            made = await self.api.request("POST", f"{_CLIENT}/createRoom", _room(name))
        except Denied as error:
            if error.errcode != "M_ROOM_IN_USE":
                raise
            # Another worker makes it, or the one before us did and the answer was lost.
            if (found := await self._resolved(alias)) is None:
                raise
            return found
        return _text(made, "room_id")

    async def _resolved(self, alias: str) -> str | None:
        try:
            found = await self.api.request("GET", f"{_CLIENT}/directory/room/{quote(alias, safe='')}")
        except Denied as error:
            if error.errcode == "M_NOT_FOUND":
                return None
            raise
        return _text(found, "room_id")

    async def _bring_in(self, room: str, person: str) -> bool:
        """Have the person in the room; return whether they are: who is suspended can join none."""
        try:
            member = await self.api.request("GET", f"{_rooms(room)}/state/m.room.member/{quote(person, safe='')}")
            if member.get("membership") == "join":
                return True
        except Denied as error:
            if error.errcode != "M_NOT_FOUND":
                raise
        try:
            await self.api.request("POST", f"/_synapse/admin/v1/join/{quote(room, safe='')}", {"user_id": person})
        except Denied as error:
            if error.errcode != "M_USER_SUSPENDED":
                raise
            return False
        return True

    async def _is_sent(self, room: str, service: str, action: str) -> bool:
        wanted = json.dumps({"types": [_MESSAGE], "senders": [service]})
        params = {"dir": "b", "limit": _PAGE, "filter": wanted}
        while True:
            page = await self.api.request("GET", f"{_rooms(room)}/messages", params=params)
            if any(_is_of(event, service, action) for event in page.get("chunk", ())):
                return True
            end = page.get("end")
            if not isinstance(end, str) or end == params.get("from"):
                return False
            params["from"] = end

    def _alias(self, person: str) -> str:
        made = hmac.digest(self.secret, b"tutela/notices-room/1\x00" + person.encode(), hashlib.sha256)
        return f"tutela-{made[:16].hex()}"


def _room(alias: str) -> dict[str, Any]:
    """What makes a room where the service account speaks and one person reads."""
    return {
        "preset": "private_chat",
        "room_alias_name": alias,
        "name": " · ".join(words(language).text(_NAME) for language in LANGUAGES),
        "creation_content": {"m.federate": False},
        "initial_state": [
            # Whoever left and was brought back reads what came meanwhile.
            {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "shared"}},
            {"type": "m.room.guest_access", "state_key": "", "content": {"guest_access": "forbidden"}},
        ],
        "power_level_content_override": {"events_default": 50, "invite": 50},
    }


def _rooms(room: str) -> str:
    return f"{_CLIENT}/rooms/{quote(room, safe='')}"


def _is_of(event: Any, service: str, action: str) -> bool:
    content = event.get("content") if isinstance(event, dict) else None
    return isinstance(content, dict) and event.get("sender") == service and content.get(ACTION_FIELD) == action


def _text(answer: dict[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise EnforcerError(f"the homeserver's answer lacks {name!r}")
    return value

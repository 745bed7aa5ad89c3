"""Olm and Megolm for one device: matrix-nio's account, sessions and store, and none of its networking.

Everything that touches nio's end-to-end encryption is here. nio decides nothing about trust: this module encrypts for
the devices that it is given, and says of what it decrypts which keys it came from.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nio.crypto import Olm
from nio.events.to_device import OlmEvent
from nio.store import MatrixStore

from tutela.device.errors import DamagedProfile
from tutela.integrations.matrix.cross_signing import DeviceKeys
from tutela.integrations.matrix.errors import UndecryptableEvent
from tutela.integrations.matrix.franking import frank
from tutela.integrations.matrix.replays import Origin, Replays
from tutela.integrations.matrix.rooms import MEGOLM
from tutela.integrations.matrix.signed_json import encode_base64, signable, verify_json
from tutela.wire.franking import COMMITMENT_FIELD, OPENING_BYTES

log = logging.getLogger("tutela.matrix")

#: The file in which nio keeps the Olm account and sessions, encrypted.
DATABASE: Final = "olm.db"
OLM: Final = "m.olm.v1.curve25519-aes-sha2"
ONE_TIME_KEY: Final = "signed_curve25519"

#: A device as a recipient: user, device, Curve25519 key.
Recipient = tuple[str, str, str]


@dataclass(frozen=True)
class Decrypted:
    """What was inside an encrypted event, and the keys of the device that claims to have sent it."""

    type: str
    content: dict[str, Any]
    curve25519: str
    ed25519: str
    origin: Origin


class Machine:
    """The end-to-end encryption of one device. Not thread-safe; every change is on disk before it matters."""

    def __init__(self, user_id: str, device_id: str, folder: Path, passphrase: str) -> None:
        """Open the account that `folder` keeps for this device, or make one.

        Raises:
            DamagedProfile: the account in `folder` was changed, or encrypted with another passphrase.
        """
        self.user_id = user_id
        self.device_id = device_id
        self._replays = Replays(folder, hmac.digest(passphrase.encode(), b"tutela/matrix/replays/1", "sha256"))
        self._store = MatrixStore(user_id, device_id, str(folder), passphrase, DATABASE)
        try:
            self._olm = Olm(user_id, device_id, self._store)
        except ValueError as error:  # vodozemac's
            self.close()
            raise DamagedProfile("the Olm account in the profile cannot be opened") from error
        self._shared: dict[str, set[Recipient]] = {}
        self._wedged: set[tuple[str, str]] = set()
        # nio calls this when an Olm message cannot be decrypted; it would look for the device in its own list.
        self._olm._mark_device_for_unwedging = lambda sender, key: self._wedged.add((sender, key))
        self._one_time_keys = self._olm.account.max_one_time_keys
        self._wants_fallback_key = False

    @property
    def ed25519(self) -> str:
        """This device's signing key."""
        return str(self._olm.account.identity_keys["ed25519"])

    @property
    def curve25519(self) -> str:
        """This device's identity key."""
        return str(self._olm.account.identity_keys["curve25519"])

    def sign(self, data: bytes) -> str:
        """Sign with this device's key; unpadded base64."""
        return str(self._olm.account.sign(data.decode()))

    def close(self) -> None:
        """Close what is on disk."""
        self._store.database.close()
        self._replays.close()

    @property
    def seen_record(self) -> int:
        """The number of the record of seen messages; another one is in its place when this changes."""
        return self._replays.number

    # Keys that the homeserver hands out

    def forget_upload(self) -> None:
        """The homeserver does not have this device's keys: upload them all again."""
        self._olm.account.shared = False

    def note_counts(self, one_time_keys: int, *, unused_fallback_key: bool) -> None:
        """Take in how many one-time keys the homeserver still has, and whether the fallback key is unused."""
        self._one_time_keys = self._credible(one_time_keys)
        self._wants_fallback_key = not unused_fallback_key

    def keys_upload(self) -> dict[str, Any] | None:
        """Return the body of `keys/upload`, or `None` if nothing is due. What it promises is on disk already."""
        account = self._olm.account
        first = not account.shared
        if not first and self._one_time_keys > account.max_one_time_keys // 2 and not self._wants_fallback_key:
            return None
        body: dict[str, Any] = {}
        if first or self._one_time_keys < account.max_one_time_keys:
            self._olm.uploaded_key_count = 0 if first else self._one_time_keys
            body = self._olm.share_keys()
        if first or self._wants_fallback_key:
            account._account.generate_fallback_key()
            body["fallback_keys"] = {
                f"{ONE_TIME_KEY}:{key_id}": self._signed_key({"key": key.to_base64(), "fallback": True})
                for key_id, key in account._account.fallback_key.items()
            }
        self._olm.save_account()
        return body

    def keys_uploaded(self, one_time_keys: int) -> None:
        """The homeserver has taken the last upload, and now has so many one-time keys."""
        self._olm.account.shared = True
        self._olm.mark_keys_as_published()
        self._olm.save_account()
        self._one_time_keys = self._credible(one_time_keys)
        self._wants_fallback_key = False

    def _credible(self, one_time_keys: int) -> int:
        """As many keys as are missing are made: no more than there can be may be missing."""
        return max(0, min(one_time_keys, int(self._olm.account.max_one_time_keys)))

    # Receiving

    def receive(self, events: Iterable[Any]) -> None:
        """Take in to-device events. Only Olm messages count; whatever is malformed is dropped and logged."""
        for event in events:
            try:
                if event["type"] == "m.room.encrypted" and event["content"]["algorithm"] == OLM:
                    self._olm.decrypt_event(
                        OlmEvent(event, event["sender"], event["content"]["sender_key"], event["content"]["ciphertext"])
                    )
            except Exception as error:
                # Anybody can send a device anything, and nio and vodozemac answer in many ways.
                log.warning("dropped a to-device event: %s", type(error).__name__)
        self._olm.outgoing_to_device_messages.clear()

    def take_wedged(self) -> set[tuple[str, str]]:
        """Return the users and Curve25519 keys from which an Olm message could not be decrypted since the last call."""
        wedged, self._wedged = self._wedged, set()
        return wedged

    def has_session(self, room_id: str, session_id: str) -> bool:
        """Whether the key of a Megolm session is here."""
        return self._inbound(room_id, session_id) is not None

    def decrypt(self, room_id: str, event: Mapping[str, Any]) -> Decrypted:
        """Decrypt an `m.room.encrypted` event of a room. Who sent it, and whether it is new, is not known by that.

        Raises:
            UndecryptableEvent: no key, another algorithm, or damage.
        """
        content = event.get("content")
        if not isinstance(content, dict) or content.get("algorithm") != MEGOLM:
            raise UndecryptableEvent("encrypted in a way that this client does not know")
        session_id, ciphertext = content.get("session_id"), content.get("ciphertext")
        if not isinstance(session_id, str) or not isinstance(ciphertext, str):
            raise UndecryptableEvent("malformed")
        session = self._inbound(room_id, session_id, content.get("sender_key"))
        if session is None:
            raise UndecryptableEvent("its key has not arrived", missing_key=True)
        try:
            plaintext, index = session.decrypt(ciphertext)
            inner = json.loads(plaintext)
        except Exception as error:
            raise UndecryptableEvent(f"damaged ({type(error).__name__})") from error
        if not isinstance(inner, dict) or inner.get("room_id") != room_id or session.forwarding_chain:
            raise UndecryptableEvent("not meant for this room")
        kind, inner_content = inner.get("type"), inner.get("content")
        if not isinstance(kind, str) or not isinstance(inner_content, dict):
            raise UndecryptableEvent("malformed")
        origin = Origin(room_id, session.sender_key, session_id, index)
        return Decrypted(kind, inner_content, session.sender_key, session.ed25519, origin)

    def check_new(self, opened: Decrypted, sender: str, event_id: str, *, established: bool) -> None:
        """Note under which event a message came, and that `sender` sent it, if that is `established`.

        Raises:
            UndecryptableEvent: a replay of another event.
            RecordUnavailable: it cannot be noted now.
        """
        self._replays.check(opened.origin, sender, event_id, established=established)

    # Sending

    def missing_olm_sessions(self, devices: Iterable[DeviceKeys]) -> dict[str, dict[str, str]]:
        """Return the `one_time_keys` of a `keys/claim` for those of `devices` with which there is no Olm session."""
        wanted: dict[str, dict[str, str]] = {}
        for device in devices:
            if self._olm.session_store.get(device.curve25519) is None:
                wanted.setdefault(device.user_id, {})[device.device_id] = ONE_TIME_KEY
        return wanted

    def dummy_message(self, device: DeviceKeys) -> dict[str, Any]:
        """Return the content of an empty message, by which a device learns of a new Olm session."""
        return self._olm_encrypt(device, "m.dummy", {})

    def start_olm_sessions(self, devices: Iterable[DeviceKeys], claimed: Any) -> list[DeviceKeys]:
        """Start Olm sessions with the claimed keys that their devices signed; return the devices that have one now.

        Keys that are malformed or not signed by their device are dropped and logged.
        """
        started = []
        for device in devices:
            try:
                [one_time_key] = claimed[device.user_id][device.device_id].values()
                verify_json(one_time_key, device.user_id, device.device_id, device.ed25519)
                self._olm.create_session(one_time_key["key"], device.curve25519)
            except Exception as error:
                log.warning("no Olm session with %s %s: %r", device.user_id, device.device_id, error)
            else:
                started.append(device)
        return started

    def room_key_messages(self, room_id: str, devices: Collection[DeviceKeys]) -> dict[str, dict[str, dict[str, Any]]]:
        """Return the to-device messages that give the room's key to those of `devices` that lack it.

        Somebody who had the key and is not among `devices` any more must not read on: then the room gets a new key.
        Devices without an Olm session are left out. Call `room_key_sent` when the homeserver has taken the messages.
        """
        recipients = {_recipient(device) for device in devices}
        session = self._olm.outbound_group_sessions.get(room_id)
        if session is None or session.expired or not self._shared.get(room_id, set()) <= recipients:
            self._olm.create_outbound_group_session(room_id)
            session = self._olm.outbound_group_sessions[room_id]
            self._shared[room_id] = set()
        key = {"algorithm": MEGOLM, "room_id": room_id, "session_id": session.id, "session_key": session.session_key}
        messages: dict[str, dict[str, dict[str, Any]]] = {}
        for device in devices:
            if _recipient(device) not in self._shared[room_id] and self._olm.session_store.get(device.curve25519):
                content = self._olm_encrypt(device, "m.room_key", key)
                messages.setdefault(device.user_id, {})[device.device_id] = content
        return messages

    def room_key_sent(self, room_id: str, devices: Collection[DeviceKeys], messages: Mapping[str, Any]) -> None:
        """The homeserver has taken `messages`: their devices have the key now."""
        for device in devices:
            if device.device_id in messages.get(device.user_id, {}):
                self._shared[room_id].add(_recipient(device))
        self._olm.outbound_group_sessions[room_id].mark_as_shared()

    def encrypt(self, room_id: str, event_type: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return the content of the `m.room.encrypted` event, for those who were given the room's key.

        Whatever is encrypted is committed to, so that its receivers can report it (`franking`).

        Raises:
            MalformedJson: the content has no canonical form.
        """
        opening = secrets.token_bytes(OPENING_BYTES)
        franked, commitment = frank(room_id, self.user_id, event_type, content, opening)
        encrypted = self._olm.group_encrypt(room_id, {"type": event_type, "content": franked})
        return {**encrypted, COMMITMENT_FIELD: commitment}

    def _olm_encrypt(self, device: DeviceKeys, event_type: str, content: dict[str, Any]) -> dict[str, Any]:
        session = self._olm.session_store.get(device.curve25519)
        payload = {
            "type": event_type,
            "content": content,
            "sender": self.user_id,
            "sender_device": self.device_id,
            "keys": {"ed25519": self.ed25519},
            "recipient": device.user_id,
            "recipient_keys": {"ed25519": device.ed25519},
        }
        message_type, ciphertext = session.encrypt(json.dumps(payload)).to_parts()
        self._store.save_session(device.curve25519, session)
        message = {"type": message_type, "body": encode_base64(ciphertext)}
        return {"algorithm": OLM, "sender_key": self.curve25519, "ciphertext": {device.curve25519: message}}

    def _signed_key(self, key: dict[str, Any]) -> dict[str, Any]:
        return {**key, "signatures": {self.user_id: {f"ed25519:{self.device_id}": self.sign(signable(key))}}}

    def _inbound(self, room_id: str, session_id: str, sender_key: object = None) -> Any:
        """Return the session; `sender_key`, which nothing vouches for, only chooses between two that claim one id."""
        found = None
        for curve25519, sessions in self._olm.inbound_group_store[room_id].items():
            if session_id in sessions and (found is None or curve25519 == sender_key):
                found = sessions[session_id]
        return found


def _recipient(device: DeviceKeys) -> Recipient:
    return (device.user_id, device.device_id, device.curve25519)

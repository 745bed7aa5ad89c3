"""A module for Synapse that stamps encrypted messages, so that their provider can tell a reported one from an invented.

In Synapse's configuration::

    modules:
      - module: tutela.integrations.matrix.synapse_module.Stamps
        config:
          key_file: /etc/matrix-synapse/tutela-stamp.key

Synapse calls it for each event that it hands to a client. Where an encrypted event bears a commitment, a stamp is added
under `unsigned` (`tutela.wire.franking` says what it proves). All facts in it are those of the homeserver's own event:
so nothing can be asked for in advance, and nothing that a client writes gets in.

It runs inside Synapse and imports none of it; of Tutela it needs the wire format alone.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import re
import secrets
import stat
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

import msgspec

from tutela.errors import TutelaError
from tutela.wire.franking import (
    COMMITMENT_BYTES,
    COMMITMENT_FIELD,
    STAMP_FIELD,
    STAMP_KEY_BYTES,
    StampedEvent,
    stamp,
)

log = logging.getLogger("tutela.synapse")

_ENCRYPTED: Final = "m.room.encrypted"
_BASE64_LENGTH: Final = 4 * ((COMMITMENT_BYTES + 2) // 3)
_KEY_FORM: Final = re.compile(rf"[0-9a-f]{{{2 * STAMP_KEY_BYTES}}}\n?")
#: Arrival times kept in memory.
_ARRIVALS: Final = 10_000


class BadStampKey(TutelaError):
    """The file with the stamps' key is not as it must be. Here and not in `errors`, of which Synapse needs nothing."""

    code: ClassVar[str] = "stamp-key"


class Event(Protocol):
    """What is read of Synapse's events."""

    event_id: str
    room_id: str
    sender: str
    type: str
    origin_server_ts: int
    content: Mapping[str, Any]


class ModuleApi(Protocol):
    """What is used of Synapse's module API, all of it public."""

    @property
    def server_name(self) -> str:
        """The homeserver's name."""

    def is_mine(self, id: str) -> bool:
        """Whether a user is of this homeserver."""

    def run_db_interaction(self, desc: str, func: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        """Run `func` with a database cursor."""

    def register_add_extra_fields_to_unsigned_client_event_callbacks(
        self, *, add_field_to_unsigned_callback: Callable[[Any], Awaitable[dict[str, Any]]]
    ) -> None:
        """Call this for each event that a client is given."""


@dataclass(frozen=True)
class Settings:
    """The module's configuration, read and checked."""

    key: bytes = field(repr=False)


class Stamps:
    """The module. Synapse makes one in each of its processes, when it starts."""

    def __init__(self, settings: Settings, api: ModuleApi) -> None:
        self._key = settings.key
        self._api = api
        self._arrivals: OrderedDict[str, int] = OrderedDict()
        api.register_add_extra_fields_to_unsigned_client_event_callbacks(add_field_to_unsigned_callback=self.unsigned)

    @staticmethod
    def parse_config(config: Mapping[str, Any]) -> Settings:
        """Read the configuration; what is wrong with it keeps Synapse from starting.

        Raises:
            BadStampKey: no key file is named, something else is, or the file is not a key file.
        """
        if set(config) != {"key_file"} or not isinstance(config["key_file"], str):
            raise BadStampKey("Tutela's module takes one setting, key_file: the path of the file with the stamps' key")
        return Settings(read_key_file(Path(config["key_file"])))

    async def unsigned(self, event: Event) -> dict[str, Any]:
        """Return what to add to the event's `unsigned`: a stamp or nothing. Never raises."""
        try:
            return await self._unsigned(event)
        except Exception as error:
            # A message without a stamp can still be reported; a sync that fails because of us helps nobody.
            log.warning("no stamp for %s: %s: %s", getattr(event, "event_id", "?"), type(error).__name__, error)
            return {}

    async def _unsigned(self, event: Event) -> dict[str, Any]:
        commitment = _commitment(event)
        if commitment is None:
            return {}
        received = not self._api.is_mine(event.sender)
        # Another homeserver may give its events any time: then what counts is when they came.
        time = await self._arrival(event.event_id) if received else event.origin_server_ts
        facts = StampedEvent(event.event_id, event.room_id, event.sender, commitment)
        made = stamp(self._key, self._api.server_name, facts, time=time, received=received)
        return {STAMP_FIELD: msgspec.to_builtins(made)}

    async def _arrival(self, event_id: str) -> int:
        """Return when an event came, in milliseconds since 1970.

        The module API has no name for it, but lets modules ask the database: so the names of a table and two columns
        are all that is relied on here without a promise. Were they to change, remote events would get no stamp.
        """
        if event_id not in self._arrivals:
            self._arrivals[event_id] = await self._api.run_db_interaction("tutela_arrival", arrival, event_id)
            if len(self._arrivals) > _ARRIVALS:
                self._arrivals.popitem(last=False)
        return self._arrivals[event_id]


def arrival(cursor: Any, event_id: str) -> int:
    """Read from Synapse's database when an event came.

    Raises:
        LookupError: it does not say.
    """
    cursor.execute("SELECT received_ts FROM events WHERE event_id = ?", (event_id,))
    row = cursor.fetchone()
    if row is None or not isinstance(row[0], int):
        raise LookupError("the database does not say when it came")
    return row[0]


def read_key_file(path: Path) -> bytes:
    """Return the 32 bytes of a stamp key: 64 hexadecimal digits in a file that nobody but its owner can read.

    Raises:
        BadStampKey: it is not there, not of that form, or others can read it.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(1024).decode("ascii", "replace")
    except OSError as error:
        # Synapse ends its complaint with the first cause: let that be this sentence.
        raise BadStampKey(f"cannot read the stamp key {path}: {error.strerror}") from None
    if mode & 0o077:
        raise BadStampKey(f"other users can read the stamp key {path}; run: chmod 600 {path}")
    if not _KEY_FORM.fullmatch(text):
        raise BadStampKey(f"the stamp key {path} must hold {2 * STAMP_KEY_BYTES} hexadecimal digits and nothing else")
    return bytes.fromhex(text)


def make_key_file(path: Path) -> None:
    """Make a new stamp key, in a file that nobody but its owner can read.

    Raises:
        BadStampKey: something is there already, or the file cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(STAMP_KEY_BYTES) + "\n")
            file.flush()
            os.fsync(descriptor)
    except FileExistsError as error:
        raise BadStampKey(f"{path} is there already", hint="Choose another name.") from error
    except OSError as error:
        raise BadStampKey(f"cannot write the stamp key {path}: {error.strerror}") from error


def _commitment(event: Event) -> bytes | None:
    """Return the commitment that an encrypted event bears, or `None`; a redacted one has lost its own."""
    text = event.content.get(COMMITMENT_FIELD) if event.type == _ENCRYPTED else None
    if not isinstance(text, str) or len(text) != _BASE64_LENGTH:
        return None
    try:
        commitment = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return commitment if len(commitment) == COMMITMENT_BYTES else None

"""What can go wrong between a guarded client and its homeserver."""

from __future__ import annotations

from typing import ClassVar

from tutela.device.conversation.brake import Pause
from tutela.errors import TutelaError


class MatrixError(TutelaError):
    """Base of this room's errors."""

    code: ClassVar[str] = "matrix"


class HomeserverFailed(MatrixError):
    """The local homeserver did not start, or refused to make a user."""

    code: ClassVar[str] = "homeserver"


class Unreachable(MatrixError):
    """The homeserver gave no answer."""

    code: ClassVar[str] = "matrix-unreachable"


class Refused(MatrixError):
    """The homeserver answered with an error. `status` is HTTP's, `errcode` Matrix's.

    Where it asks for user-interactive authentication, `session` and `flows` (lists of stages) say how.
    """

    code: ClassVar[str] = "matrix-refused"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        errcode: str,
        hint: str | None = None,
        session: str = "",
        flows: tuple[list[str], ...] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.errcode = errcode
        self.session = session
        self.flows = flows


class WrongPassword(Refused):
    """The homeserver does not accept the password."""

    code: ClassVar[str] = "wrong-password"


class SignedOut(Refused):
    """The homeserver no longer knows this session."""

    code: ClassVar[str] = "signed-out"


class AccountLocked(Refused):
    """The account was locked: the session stays and goes on once it is unlocked."""

    code: ClassVar[str] = "account-locked"


class MalformedJson(MatrixError):
    """A value that has no canonical JSON form, or lacks a field it must have."""

    code: ClassVar[str] = "matrix-json"


class BadKeySignature(MatrixError):
    """A signature on a key is missing or does not verify."""

    code: ClassVar[str] = "key-signature"


class UnreadableIdentity(MatrixError):
    """An exported identity cannot be opened: another key, or damage."""

    code: ClassVar[str] = "identity-unreadable"


class OtherAccount(MatrixError):
    """The profile belongs to another account or homeserver."""

    code: ClassVar[str] = "other-account"


class IdentityElsewhere(MatrixError):
    """The account has cross-signing keys, and this profile does not hold them."""

    code: ClassVar[str] = "identity-elsewhere"


class IdentityChanged(MatrixError):
    """Somebody in the room has a new master key that has not been accepted. `users` says who."""

    code: ClassVar[str] = "identity-changed"

    def __init__(self, message: str, *, users: tuple[str, ...], hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.users = users


class SomebodyJoined(MatrixError):
    """Somebody would read in the room whom this account has neither invited nor accepted. `users` says who."""

    code: ClassVar[str] = "somebody-joined"

    def __init__(self, message: str, *, users: tuple[str, ...], hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.users = users


class UnknownRoom(MatrixError):
    """This account is not in the room, or has not synchronised since it joined."""

    code: ClassVar[str] = "unknown-room"


class RoomNotEncrypted(MatrixError):
    """The room is not encrypted; this client writes to encrypted rooms only."""

    code: ClassVar[str] = "room-not-encrypted"


class UndecryptableEvent(MatrixError):
    """A message that this device cannot decrypt. `missing_key` says whether its key may still come."""

    code: ClassVar[str] = "undecryptable"

    def __init__(self, message: str, *, missing_key: bool = False, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.missing_key = missing_key


class RecordUnavailable(MatrixError):
    """The record of seen messages cannot be read or written, so no message is shown now."""

    code: ClassVar[str] = "record-unavailable"


class MediaError(MatrixError):
    """An attachment that cannot be opened."""

    code: ClassVar[str] = "media"


class MalformedMedia(MediaError):
    """The description of an encrypted attachment is not as the specification says."""

    code: ClassVar[str] = "media-malformed"


class OversizedMedia(MediaError):
    """An attachment over the size limit."""

    code: ClassVar[str] = "media-oversized"


class MediaHashMismatch(MediaError):
    """What the homeserver delivered is not what the sender encrypted."""

    code: ClassVar[str] = "media-hash"


class PausedBeforeSending(MatrixError):
    """Nothing was sent: the user is asked first. With `confirmed` it is sent all the same. `pause` has the words."""

    code: ClassVar[str] = "paused"

    def __init__(self, pause: Pause) -> None:
        super().__init__(
            "the message waits for its sender's second thought", hint="Ask, then send with confirmed=True."
        )
        self.pause = pause

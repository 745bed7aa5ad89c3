"""What can go wrong at the provider. Each has a code of its own; `problems` maps it to an HTTP status.

::

    ProviderError
    ├── SettingsError            the settings cannot be used
    ├── KeyStoreError            the folder of secret keys cannot be used
    ├── StorageUnavailable       the database or the disk does not answer
    ├── Internal                 a mistake of ours
    ├── Busy                     more requests than can be answered now
    ├── PublishRefused           an epoch that must not be published
    │   └── SegmentMissing, WrongSegment, KeyNotHeld        (what devices would refuse: `lists.acceptance`)
    ├── NotFound                 no such path
    │   └── NothingPublished, UnknownEpoch, UnknownSegment, UnknownKey
    ├── MethodNotAllowed
    ├── KeyRetired               the key was published once and does not answer any more
    ├── BadRequest               a request that no device of ours makes
    │   └── WrongBatch, LengthRequired, WrongContentType, SlowBody, NoSuchRange
    ├── RateLimited              the account's allowance is used up
    ├── SignInRefused            the homeserver does not vouch for this account
    │   └── TokenUnknown, TokenReplayed, ForeignHomeserver, ForeignAccount
    ├── HomeserverUnavailable, HomeserverNonsense
    └── NoSession                a check needs a session
        └── SessionMissing, SessionUnknown, SessionExpired
"""

from __future__ import annotations

from typing import ClassVar

from tutela.errors import TutelaError


class ProviderError(TutelaError):
    """The service cannot do what was asked."""

    code: ClassVar[str] = "provider"

    def __init__(self, message: str, *, hint: str | None = None, retry_after: int | None = None) -> None:
        """Say what happened, what to do about it, and after how many seconds to try again."""
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class SettingsError(ProviderError):
    """The settings are missing, malformed or contradict each other."""

    code: ClassVar[str] = "settings"


class KeyStoreError(ProviderError):
    """A secret key is missing, damaged or readable by others."""

    code: ClassVar[str] = "key-store"


class StorageUnavailable(ProviderError):
    """The database or the disk cannot be read or written: locked, full or gone."""

    code: ClassVar[str] = "storage"


class Internal(ProviderError):
    """A mistake of ours, or of the operator's. What it was stands in the service's own log."""

    code: ClassVar[str] = "internal"


class Busy(ProviderError):
    """More requests wait than can be answered soon."""

    code: ClassVar[str] = "busy"


class PublishRefused(ProviderError):
    """An epoch that must not be published as it stands. Nothing of it became visible."""

    code: ClassVar[str] = "publish"


class SegmentMissing(PublishRefused):
    """The manifest names a segment that was not handed over."""

    code: ClassVar[str] = "segment-missing"


class WrongSegment(PublishRefused):
    """A segment's bytes have another size or digest than the manifest says."""

    code: ClassVar[str] = "wrong-segment"


class KeyNotHeld(PublishRefused):
    """The manifest names an answering key whose secret this provider does not hold."""

    code: ClassVar[str] = "key-not-held"


class NotFound(ProviderError):
    """There is nothing at this path."""

    code: ClassVar[str] = "not-found"


class NothingPublished(NotFound):
    """No epoch has been published yet."""

    code: ClassVar[str] = "nothing-published"


class UnknownEpoch(NotFound):
    """No such epoch is kept."""

    code: ClassVar[str] = "unknown-epoch"


class UnknownSegment(NotFound):
    """No such segment is kept."""

    code: ClassVar[str] = "unknown-segment"


class UnknownKey(NotFound):
    """No key of this id was ever published."""

    code: ClassVar[str] = "unknown-key"


class MethodNotAllowed(ProviderError):
    """The path exists and takes another method."""

    code: ClassVar[str] = "method-not-allowed"


class KeyRetired(ProviderError):
    """The key was published once and has been replaced."""

    code: ClassVar[str] = "key-retired"


class BadRequest(ProviderError):
    """A request that cannot be understood."""

    code: ClassVar[str] = "bad-request"


class WrongBatch(BadRequest):
    """A check of another size than every check has."""

    code: ClassVar[str] = "wrong-batch"


class LengthRequired(BadRequest):
    """A body whose length was not said beforehand."""

    code: ClassVar[str] = "length-required"


class WrongContentType(BadRequest):
    """A body of another media type than this path takes."""

    code: ClassVar[str] = "wrong-content-type"


class SlowBody(BadRequest):
    """A body that did not arrive in time."""

    code: ClassVar[str] = "slow-body"


class NoSuchRange(BadRequest):
    """A range that the file does not have."""

    code: ClassVar[str] = "no-such-range"


class RateLimited(ProviderError):
    """The account has used up its allowance of checks."""

    code: ClassVar[str] = "rate-limited"


class SignInRefused(ProviderError):
    """Nobody vouches for who this is."""

    code: ClassVar[str] = "sign-in"


class TokenUnknown(SignInRefused):
    """The homeserver does not know this token: forged, or expired.

    Matrix has one answer for both (`M_UNKNOWN_TOKEN`, "unknown or expired"), so that nobody but the homeserver can
    tell them apart.
    """

    code: ClassVar[str] = "token-unknown"


class TokenReplayed(SignInRefused):
    """The token was exchanged before."""

    code: ClassVar[str] = "token-replayed"


class ForeignHomeserver(SignInRefused):
    """A homeserver that this provider does not serve. It is not asked."""

    code: ClassVar[str] = "foreign-homeserver"


class ForeignAccount(SignInRefused):
    """The homeserver named an account that is not its own."""

    code: ClassVar[str] = "foreign-account"


class HomeserverUnavailable(ProviderError):
    """The homeserver does not answer, or not in time."""

    code: ClassVar[str] = "homeserver-unavailable"


class HomeserverNonsense(ProviderError):
    """The homeserver's answer is not one that Matrix knows."""

    code: ClassVar[str] = "homeserver-nonsense"


class NoSession(ProviderError):
    """A check needs a session."""

    code: ClassVar[str] = "no-session"


class SessionMissing(NoSession):
    """No `Authorization: Bearer` header."""

    code: ClassVar[str] = "session-missing"


class SessionUnknown(NoSession):
    """A session that was never given, has been replaced, or ended long ago."""

    code: ClassVar[str] = "session-unknown"


class SessionExpired(NoSession):
    """A session whose time is over."""

    code: ClassVar[str] = "session-expired"

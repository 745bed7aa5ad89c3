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
    │   └── NothingPublished, UnknownEpoch, UnknownSegment, UnknownKey, UnknownReport, UnknownAttachment
    ├── MethodNotAllowed
    ├── KeyRetired               the key was published once and does not answer any more
    ├── BadRequest               a request that no device of ours makes
    │   └── WrongBatch, LengthRequired, WrongContentType, SlowBody, NoSuchRange
    ├── RateLimited              the account's allowance is used up
    ├── ReportError              a report that cannot be taken as it stands
    │   └── ReportRefused, WrongAttachment, ReportConflict, TooManyReports
    ├── ReviewError              what a reviewer cannot do
    │   └── UnknownCase, StaleCase, UnknownDecision, WrongDecision, NamesSomebody, DecisionSettled, SamePerson,
    │       NotAllowed, UnknownPerson, LastAdmin, InvitationSpent, PasskeyRefused, NotSignedIn, EnoughForNow,
    │       WrongNote, UnknownMedium, PictureUnreadable, UnknownSample
    ├── EnforcerError            what was decided cannot be done at the homeserver now
    │   └── EnforcerRefused, EnforcerAway
    ├── DamagedAudit             the audit log is not what it was
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


class UnknownReport(NotFound):
    """This account has made no report of this id."""

    code: ClassVar[str] = "unknown-report"


class UnknownAttachment(NotFound):
    """The report announced no such attachment."""

    code: ClassVar[str] = "unknown-attachment"


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


class ReportError(ProviderError):
    """A report that cannot be taken as it stands."""

    code: ClassVar[str] = "report"


class ReportRefused(ReportError):
    """A message of the report claims a proof that it does not have. Nothing of the report was kept."""

    code: ClassVar[str] = "report-refused"

    def __init__(self, message: str, *, hint: str | None = None, item: int) -> None:
        """Say which message, counted from 0."""
        super().__init__(message, hint=hint)
        self.item = item


class WrongAttachment(ReportError):
    """The file is not the one that the report announced, or that was sent with its message."""

    code: ClassVar[str] = "wrong-attachment"


class ReportConflict(ReportError):
    """Another report, or another addition, was made under this id."""

    code: ClassVar[str] = "report-conflict"


class TooManyReports(ReportError):
    """So many reports in an hour that somebody must be sending them by machine."""

    code: ClassVar[str] = "too-many-reports"


class ReviewError(ProviderError):
    """What a reviewer asked for cannot be done."""

    code: ClassVar[str] = "review"


class UnknownCase(ReviewError):
    """There is no such case."""

    code: ClassVar[str] = "unknown-case"


class StaleCase(ReviewError):
    """Somebody else has changed the case since it was looked at."""

    code: ClassVar[str] = "stale-case"


class UnknownDecision(ReviewError):
    """There is no such decision."""

    code: ClassVar[str] = "unknown-decision"


class WrongDecision(ReviewError):
    """A decision that the published policy does not allow, or without its reasons."""

    code: ClassVar[str] = "wrong-decision"


class NamesSomebody(ReviewError):
    """A text holds a word that is also the name of somebody who reported."""

    code: ClassVar[str] = "names-somebody"


class DecisionSettled(ReviewError):
    """It was decided already, or something else is to be decided first."""

    code: ClassVar[str] = "decision-settled"


class SamePerson(ReviewError):
    """Two people decide this, and this is the first one again."""

    code: ClassVar[str] = "same-person"


class NotAllowed(ReviewError):
    """This is for somebody of another role."""

    code: ClassVar[str] = "not-allowed"


class UnknownPerson(ReviewError):
    """There is nobody of this id, or the name is none."""

    code: ClassVar[str] = "unknown-person"


class LastAdmin(ReviewError):
    """Nobody would be left to invite anybody."""

    code: ClassVar[str] = "last-admin"


class InvitationSpent(ReviewError):
    """A one-time link that was used, or is too old."""

    code: ClassVar[str] = "invitation-spent"


class PasskeyRefused(ReviewError):
    """A passkey's answer that does not hold."""

    code: ClassVar[str] = "passkey-refused"


class NotSignedIn(ReviewError):
    """No session, or one that is over."""

    code: ClassVar[str] = "not-signed-in"


class EnoughForNow(ReviewError):
    """Somebody has looked at hard things for long enough: a break, or the end of the day."""

    code: ClassVar[str] = "enough-for-now"


class WrongNote(ReviewError):
    """A note without words, or with too many."""

    code: ClassVar[str] = "wrong-note"


class UnknownMedium(ReviewError):
    """No such file was reported, or it has not arrived."""

    code: ClassVar[str] = "unknown-medium"


class PictureUnreadable(ReviewError):
    """A reported file is no picture that can be shown."""

    code: ClassVar[str] = "picture-unreadable"


class UnknownSample(ReviewError):
    """There is no such second look, or it is somebody else's, or answered."""

    code: ClassVar[str] = "unknown-sample"


class EnforcerError(ProviderError):
    """The homeserver does not do now what was decided."""

    code: ClassVar[str] = "enforcer"


class EnforcerRefused(EnforcerError):
    """The homeserver can never do what was decided."""

    code: ClassVar[str] = "enforcer-refused"


class EnforcerAway(EnforcerError):
    """The homeserver does not answer anything at all just now, or asks for a pause."""

    code: ClassVar[str] = "enforcer-away"


class DamagedAudit(ProviderError):
    """The audit log is not what was written: an entry was changed or removed."""

    code: ClassVar[str] = "damaged-audit"

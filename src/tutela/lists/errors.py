"""What can be wrong with a list, one class for each refusal::

ListError
├── MalformedList, MalformedTime, BadKeyFile         files
├── UnknownCountry                                   a jurisdiction
├── OtherDescriptor, BadSigningRecord                what a signer knows of itself
├── SubmissionRefused    a submission that does not extend its authority's chain
├── ManifestRefused      an epoch that no device accepts
├── AuditFailed          an epoch that no authority signs
├── TooManyNearHashes    hashes that cannot be compared with each other
└── BuildRefused         an epoch that cannot be built
"""

from __future__ import annotations

from typing import ClassVar

from tutela.errors import TutelaError


class ListError(TutelaError):
    """Something about a list does not hold."""

    code: ClassVar[str] = "list"


class MalformedList(ListError):
    """The bytes are not a canonical list file."""

    code: ClassVar[str] = "malformed-list"


class MalformedTime(ListError):
    """Not a time as the documents write it."""

    code: ClassVar[str] = "malformed-time"


class BadKeyFile(ListError):
    """A file that holds no key of the expected kind, or whose passphrase is missing or wrong."""

    code: ClassVar[str] = "key-file"


class UnknownCountry(ListError):
    """A jurisdiction that is no country's code."""

    code: ClassVar[str] = "unknown-country"


class OtherDescriptor(ListError):
    """A list says something else of an authority than its own descriptor."""

    code: ClassVar[str] = "other-descriptor"


class BadSigningRecord(ListError):
    """The file beside a key that says what it has signed is damaged, or another key's."""

    code: ClassVar[str] = "signing-record"


class UnreadableFeed(ListError):
    """A CSV file that cannot be read as a list of hashes."""

    code: ClassVar[str] = "feed"


class StorageFailed(ListError):
    """A file could not be written or read."""

    code: ClassVar[str] = "storage"


class WorkspaceDamaged(ListError):
    """The folder of a list is not one, or a file in it is not what it should be."""

    code: ClassVar[str] = "workspace"


class AlreadyThere(ListError):
    """Something that must not be replaced is there already."""

    code: ClassVar[str] = "already-there"


class SubmissionRefused(ListError):
    """A submission that cannot be taken."""

    code: ClassVar[str] = "submission"


class UnreadableSubmission(SubmissionRefused):
    """Not a submission: another type, a malformed hash, an unknown field, not canonical, or too large."""

    code: ClassVar[str] = "submission-unreadable"


class UnknownAuthority(SubmissionRefused):
    """It speaks for an authority that is not admitted."""

    code: ClassVar[str] = "unknown-authority"


class OtherList(SubmissionRefused):
    """It is for the list of another provider."""

    code: ClassVar[str] = "other-list"


class UnsignedSubmission(SubmissionRefused):
    """It does not carry its authority's signature."""

    code: ClassVar[str] = "submission-unsigned"


class ForgedSubmission(SubmissionRefused):
    """Its signature does not verify."""

    code: ClassVar[str] = "submission-forged"


class SubmissionGap(SubmissionRefused):
    """Submissions are missing before it."""

    code: ClassVar[str] = "submission-gap"


class SubmissionReplayed(SubmissionRefused):
    """Its number was already used."""

    code: ClassVar[str] = "submission-replayed"


class SubmissionForked(SubmissionRefused):
    """It names another submission before it than the one that stands."""

    code: ClassVar[str] = "submission-forked"


class EmptySubmission(SubmissionRefused):
    """It neither vouches nor withdraws."""

    code: ClassVar[str] = "submission-empty"


class UnorderedSubmission(SubmissionRefused):
    """Its hashes are not in ascending order."""

    code: ClassVar[str] = "submission-unordered"


class DuplicateItem(SubmissionRefused):
    """It names one hash twice."""

    code: ClassVar[str] = "duplicate"


class AlreadyVouched(SubmissionRefused):
    """It vouches for a hash for which this authority already vouches."""

    code: ClassVar[str] = "already-vouched"


class NotVouched(SubmissionRefused):
    """It withdraws a hash for which this authority does not vouch."""

    code: ClassVar[str] = "not-vouched"


class LowQuality(SubmissionRefused):
    """A hash of a picture too plain to be told apart, by the rule's minimum."""

    code: ClassVar[str] = "low-quality"


class Unattested(SubmissionRefused):
    """An item of an attested feed does not say who verified it."""

    code: ClassVar[str] = "unattested"


class MisplacedAttestation(SubmissionRefused):
    """An item outside an attested feed says who verified it."""

    code: ClassVar[str] = "misplaced-attestation"


class TooManyNearHashes(ListError):
    """Somebody vouches for so many nearly equal hashes that comparing them would exhaust time or memory."""

    code: ClassVar[str] = "too-many-near-hashes"


class BuildRefused(ListError):
    """An epoch that cannot be built from what there is."""

    code: ClassVar[str] = "build"


class ManifestRefused(ListError):
    """A manifest that a device does not accept."""

    code: ClassVar[str] = "manifest"


class BadTrustRoot(ManifestRefused):
    """The trust root itself cannot be satisfied, or names one key twice."""

    code: ClassVar[str] = "trust-root"


class UnreadableManifest(ManifestRefused):
    """Not a manifest: another type, an unknown field, not canonical, or too large."""

    code: ClassVar[str] = "manifest-unreadable"


class ForgedManifest(ManifestRefused):
    """A signature that names an authority of the trust root does not verify."""

    code: ClassVar[str] = "manifest-forged"


class TooFewSignatures(ManifestRefused):
    """Fewer authorities of the trust root signed than it asks for."""

    code: ClassVar[str] = "too-few-signatures"


class TooFewJurisdictions(ManifestRefused):
    """The signing authorities are of fewer jurisdictions than the trust root asks for."""

    code: ClassVar[str] = "too-few-jurisdictions"


class OtherProvider(ManifestRefused):
    """An epoch of another provider."""

    code: ClassVar[str] = "other-provider"


class EpochTooOld(ManifestRefused):
    """Older than the trust root allows."""

    code: ClassVar[str] = "epoch-too-old"


class Rollback(ManifestRefused):
    """Older than an epoch that was already accepted."""

    code: ClassVar[str] = "rollback"


class Equivocation(ManifestRefused):
    """Another epoch under the number of one that was already accepted."""

    code: ClassVar[str] = "equivocation"


class BrokenHistory(ManifestRefused):
    """It does not name the epoch before it by its digest."""

    code: ClassVar[str] = "broken-history"


class InconsistentManifest(ManifestRefused):
    """Its parts contradict each other."""

    code: ClassVar[str] = "manifest-inconsistent"


class WeakRule(ManifestRefused):
    """Its rule lists what fewer than two authorities of different jurisdictions vouch for."""

    code: ClassVar[str] = "weak-rule"


class AuditFailed(ListError):
    """An epoch that is not what follows from the submissions: do not sign it."""

    code: ClassVar[str] = "audit"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint or "do not sign this epoch; ask the provider how it came about")


class EpochGap(AuditFailed):
    """Epochs are missing before it."""

    code: ClassVar[str] = "epoch-gap"


class EpochReplayed(AuditFailed):
    """Its number, or its time, is not after those of the epoch before."""

    code: ClassVar[str] = "epoch-replayed"


class OtherPrevious(AuditFailed):
    """It names another epoch before it than the one that stands."""

    code: ClassVar[str] = "other-previous"


class OtherRule(AuditFailed):
    """Another rule, other parameters or another merge schedule than those agreed."""

    code: ClassVar[str] = "other-rule"


class OtherAuthorities(AuditFailed):
    """Other authorities than those admitted."""

    code: ClassVar[str] = "other-authorities"


class KeyHistory(AuditFailed):
    """A key vanished, came back, or answers longer than was published."""

    code: ClassVar[str] = "key-history"


class SubmissionsDropped(AuditFailed):
    """It rests on fewer submissions than the epoch before."""

    code: ClassVar[str] = "submissions-dropped"


class SubmissionsUnknown(AuditFailed):
    """It rests on submissions that are not held here, or on others than those held here."""

    code: ClassVar[str] = "submissions-unknown"


class OneVouchOnly(AuditFailed):
    """It lists a hash for which too few authorities vouch."""

    code: ClassVar[str] = "one-vouch-only"


class UnvouchedItem(AuditFailed):
    """It lists a hash for which nobody vouches."""

    code: ClassVar[str] = "unvouched-item"


class MissingItem(AuditFailed):
    """It leaves out a hash that the rule lists."""

    code: ClassVar[str] = "missing-item"


class ListMismatch(AuditFailed):
    """Its digest is not that of the list that follows from the submissions."""

    code: ClassVar[str] = "list-mismatch"


class ScheduleViolated(AuditFailed):
    """Its layers are not those that follow from the epoch before and the published schedule."""

    code: ClassVar[str] = "schedule"


class OtherKey(AuditFailed):
    """A layer was evaluated with another key than the manifest's."""

    code: ClassVar[str] = "other-key"


class WrongProof(AuditFailed):
    """A proof does not show that the manifest's key was used."""

    code: ClassVar[str] = "wrong-proof"


class MalformedEvaluation(AuditFailed):
    """Not the evaluations of this layer's entries."""

    code: ClassVar[str] = "malformed-evaluation"


class ExtraEntry(AuditFailed):
    """A filter holds more entries than its items have."""

    code: ClassVar[str] = "extra-entry"


class MissingEntry(AuditFailed):
    """A filter lacks entries of its items."""

    code: ClassVar[str] = "missing-entry"


class FilterMismatch(AuditFailed):
    """A filter is not, byte for byte, the one that follows from its items."""

    code: ClassVar[str] = "filter-mismatch"


class SegmentMismatch(ListError):
    """A segment file is not the one whose digest and size the manifest binds."""

    code: ClassVar[str] = "segment-mismatch"


class AlreadySigned(AuditFailed):
    """The key has signed another epoch of this number, or a later one."""

    code: ClassVar[str] = "already-signed"


class UnacceptedChanges(AuditFailed):
    """It changes the rule, the policy, the authorities or the key, and nobody said that this is wanted."""

    code: ClassVar[str] = "changes"

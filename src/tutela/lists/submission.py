"""The chain of one authority's signed submissions to one list, and what stands after it.

A submission names the list that it is for and counts for no other. Submissions are numbered from 1 without gaps, and
each names the digest of the one before. Only the authority's own signature counts. Within a submission withdrawals and
vouches name different hashes, each once, in ascending order. Nothing is vouched for twice and nothing is withdrawn that
does not stand; each list class stands on its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tutela.lists import errors, times
from tutela.lists.authority import public_key_of
from tutela.wire import document, envelope, limits
from tutela.wire.errors import BadSignature, WireError
from tutela.wire.manifest import Agreement, Authority, SubmissionHead
from tutela.wire.submission import SUBMISSION_TYPE, Item, ListClass, Submission

#: For each list class, the items that an authority vouches for, by hash.
Standing = Mapping[ListClass, Mapping[str, Item]]


@dataclass(frozen=True)
class Chain:
    """All submissions of one authority to a provider's list so far: the last one's number and digest, what stands."""

    authority: Authority
    provider: str
    head: SubmissionHead | None = None
    standing: Standing = field(default_factory=lambda: {c: {} for c in ListClass})

    def next(
        self,
        *,
        created: str,
        list_class: ListClass = ListClass.AGREED,
        vouched: Iterable[Item] = (),
        withdrawn: Iterable[str] = (),
    ) -> Submission:
        """Return the submission that would extend this chain, unsigned and unchecked."""
        return Submission(
            provider=self.provider,
            authority=self.authority.id,
            number=self.head.number + 1 if self.head else 1,
            previous=self.head.digest if self.head else None,
            created=created,
            list_class=list_class,
            vouched=tuple(sorted(vouched, key=lambda item: item.pdq)),
            withdrawn=tuple(sorted(withdrawn)),
        )


def seal(submission: Submission, key: Ed25519PrivateKey) -> envelope.Envelope:
    """Return the submission signed by `key`."""
    return envelope.seal(SUBMISSION_TYPE, document.encode(submission), key)


def extend(chain: Chain, signed: envelope.Envelope, rule: Agreement) -> Chain:
    """Verify one new submission against `chain` and `rule`, and return the chain with it.

    Raises:
        SubmissionRefused: with a class for each reason; see `lists.errors`.
    """
    submission, _ = _verified(chain, signed)
    check_quality(submission, rule)
    return replay(chain, [signed])


def replay(chain: Chain, signed: Iterable[envelope.Envelope]) -> Chain:
    """Verify the submissions that follow `chain`, in order, and return the chain with them.

    The rule's minimum quality is not asked here, so that a rule made stricter later leaves the past readable;
    `agreement` leaves out what falls below it.

    Raises:
        SubmissionRefused: with a class for each reason; see `lists.errors`.
    """
    standing = {c: dict(items) for c, items in chain.standing.items()}
    for one in signed:
        submission, digest = _verified(chain, one)
        _check_place(chain, submission)
        _check_form(submission)
        _apply(standing[submission.list_class], submission)
        head = SubmissionHead(authority=submission.authority, number=submission.number, digest=digest)
        chain = replace(chain, head=head)
    return replace(chain, standing=standing)


def check(chain: Chain, submission: Submission) -> None:
    """Check what a submission says against `chain`, before anybody signs it; raises as `replay`."""
    parsed = _parse(document.encode(submission))
    _check_list(chain, parsed)
    _check_place(chain, parsed)
    _check_form(parsed)
    _apply(dict(chain.standing[parsed.list_class]), parsed)


def check_quality(submission: Submission, rule: Agreement) -> None:
    """Raise `LowQuality` if an item is below the rule's minimum."""
    for item in submission.vouched:
        if item.quality < rule.minimum_quality:
            raise errors.LowQuality(
                f"the hash {item.pdq} has quality {item.quality}; the rule asks for {rule.minimum_quality}",
                hint="leave it out: pictures this plain cannot be told apart",
            )


def unverified_author(signed: envelope.Envelope) -> str:
    """Return whose submission this claims to be, to look the authority up. Nothing is verified.

    Raises:
        UnreadableSubmission: not a submission.
    """
    return _parse(signed.unverified_payload).authority


def _verified(chain: Chain, signed: envelope.Envelope) -> tuple[Submission, str]:
    """Return the submission that the chain's authority signed for its list, and the digest."""
    authority = chain.authority
    key = public_key_of(authority)
    try:
        payload, signers = envelope.verify(signed, SUBMISSION_TYPE, {envelope.key_id(key): key})
    except BadSignature as error:
        raise errors.ForgedSubmission(
            f"the signature on a submission of {authority.id} does not verify",
            hint="it was changed after signing, or signed with another key; ask its authority for it again",
        ) from error
    except WireError as error:
        raise errors.UnreadableSubmission(error.message) from error
    submission = _parse(payload)
    if submission.authority != authority.id:
        raise errors.UnknownAuthority(f"a submission of {submission.authority} is not one of {authority.id}")
    if not signers:
        raise errors.UnsignedSubmission(
            f"a submission of {authority.id} does not carry its signature",
            hint=f"sign it with the key whose public half is {authority.public_key[:16]}…",
        )
    _check_list(chain, submission)
    return submission, hashlib.sha256(payload).hexdigest()


def _parse(payload: bytes) -> Submission:
    try:
        submission = document.decode(payload, Submission, limit=limits.ENVELOPE_BYTES)
        times.parse(submission.created)
    except (WireError, errors.MalformedTime) as error:
        raise errors.UnreadableSubmission(error.message) from error
    return submission


def _check_list(chain: Chain, submission: Submission) -> None:
    if submission.provider != chain.provider:
        raise errors.OtherList(
            f"submission {submission.number} of {submission.authority} is for the list of {submission.provider}, "
            f"not for that of {chain.provider}",
            hint="make one for this list with: tutela list import",
        )


def _check_place(chain: Chain, submission: Submission) -> None:
    last = chain.head.number if chain.head else 0
    who = f"submission {submission.number} of {submission.authority}"
    if submission.number <= last:
        raise errors.SubmissionReplayed(f"{who} was already taken: its last is number {last}")
    if submission.number > last + 1:
        raise errors.SubmissionGap(f"{who} came before number {last + 1}", hint="submit the missing ones first")
    if submission.previous != (chain.head.digest if chain.head else None):
        raise errors.SubmissionForked(
            f"{who} does not follow the number {last} that stands here",
            hint="make it again on top of the list as it is now",
        )


def _check_form(submission: Submission) -> None:
    vouched = [item.pdq for item in submission.vouched]
    if not vouched and not submission.withdrawn:
        raise errors.EmptySubmission("a submission neither vouches for anything nor withdraws anything")
    if len(vouched) + len(submission.withdrawn) > limits.SUBMISSION_ITEMS:
        raise errors.UnreadableSubmission(
            f"a submission names more than {limits.SUBMISSION_ITEMS} hashes", hint="split it into several"
        )
    for hashes in (vouched, submission.withdrawn):
        _check_ascending(hashes)
    for pdq in set(vouched) & set(submission.withdrawn):
        raise errors.DuplicateItem(
            f"the hash {pdq} is vouched for and withdrawn at once",
            hint="to correct an item, withdraw it in one submission and vouch for it in the next",
        )
    attested = submission.list_class is ListClass.ATTESTED
    for item in submission.vouched:
        if attested and not item.verified_by:
            raise errors.Unattested(
                f"the hash {item.pdq} does not say who verified it",
                hint="an attested feed names who verified each item",
            )
        if item.verified_by and not attested:
            raise errors.MisplacedAttestation(
                f"the hash {item.pdq} says who verified it, but this is no attested feed",
                hint="submit it in the class attested, or leave out who verified it",
            )


def _check_ascending(hashes: Sequence[str]) -> None:
    for before, after in pairwise(hashes):
        if before == after:
            raise errors.DuplicateItem(f"the hash {after} stands twice in one submission")
        if before > after:
            raise errors.UnorderedSubmission(f"the hash {after} stands after {before}: hashes go in ascending order")


def _apply(standing: dict[str, Item], submission: Submission) -> None:
    for pdq in submission.withdrawn:
        if standing.pop(pdq, None) is None:
            raise errors.NotVouched(
                f"{submission.authority} cannot withdraw {pdq}: it does not vouch for it as {submission.list_class}",
                hint="see `tutela list vouches HASH`; items of a feed are withdrawn with --attested",
            )
    for item in submission.vouched:
        if item.pdq in standing:
            raise errors.AlreadyVouched(f"{submission.authority} already vouches for {item.pdq}")
        standing[item.pdq] = item

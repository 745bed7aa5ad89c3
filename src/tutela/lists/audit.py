"""What a list authority checks before it signs an epoch: that every byte follows from the submissions.

The authority holds the submissions, the rule that was agreed, who is admitted, and the epoch before. It rebuilds the
lists and the layers from these, and the filters from the provider's evaluations, whose proofs it verifies. So the
provider can add nothing, leave nothing out and use no other key without the audit failing.

The checks, in order; the code below bears the same numbers:

1.  It is a manifest in canonical form, of this provider, and its parts fit together (`consistency`).
2.  It follows the epoch before: by number, by time and by digest.
3.  It applies the rule, the parameters and the merge schedule that were agreed.
4.  It names the authorities that are admitted.
5.  It rests on submissions that are held here, on no fewer than the epoch before, all in unbroken signed chains.
6.  Its lists are those that follow from these submissions, and the list files are the ones that it binds.
7.  Its keys continue those before: none vanishes early, comes back, or answers longer than was published.
8.  Its layers are those that follow from the epoch before and the schedule.
9.  The segment files are the ones that it binds.
10. The evaluations of each layer are those of its entries, under the manifest's key, by proof.
11. Each filter is, byte for byte, the one that these evaluations give.

What changed of the rule, the policy, the authorities or the keys is reported, never silently passed. What the
auditor still owes: to look at these changes, and at the submissions that came too late for this epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tutela.lists import acceptance, agreement, canonical, errors, evaluation, segments, submission
from tutela.lists.changes import changes_between
from tutela.lists.consistency import check_manifest
from tutela.lists.epoch import Counted, Progress, Published, Settings, digest_of, entry_of, kept_layers
from tutela.lists.segments import Layer
from tutela.lists.submission import Chain
from tutela.matching import fuse
from tutela.matching.shield import scheme_of
from tutela.wire.envelope import Envelope
from tutela.wire.errors import WireError
from tutela.wire.manifest import Authority, Manifest, OprfKey, SegmentEntry
from tutela.wire.segment import Segment
from tutela.wire.submission import ListClass


class EpochFiles(Protocol):
    """The files of an epoch, as the provider hands them over; nothing about them is trusted."""

    def list_file(self, list_class: ListClass) -> bytes:
        """Return the canonical file of a list class."""

    def segment_file(self, entry: SegmentEntry) -> bytes:
        """Return a layer's filter."""

    def evaluation_file(self, entry: SegmentEntry) -> bytes:
        """Return a layer's evaluations."""


@dataclass(frozen=True)
class Held:
    """What the auditor holds: the rule agreed, who is admitted, their submissions, and the epoch before."""

    settings: Settings
    authorities: tuple[Authority, ...]
    submissions: Mapping[str, Sequence[Envelope]]
    previous: Published | None
    verified: frozenset[SegmentEntry] = frozenset()
    """Layers of epochs that this auditor has signed: not evaluated again."""
    unsigned_past: bool = False
    """The epoch before does not bear this auditor's signature, so it may not be the one that was audited."""


@dataclass(frozen=True)
class Audit:
    """An epoch that holds in every check."""

    manifest: Manifest
    payload: bytes
    changes: tuple[str, ...]
    """What it changes of what the epoch before published, in sentences."""
    left_out: tuple[str, ...]
    """Submissions held here that came too late for it."""
    layers_rebuilt: int
    layers_known: int
    entries_verified: int


def audit(
    payload: bytes,
    files: EpochFiles,
    held: Held,
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> Audit:
    """Check a manifest's payload and the files that it binds; about 130 µs for each band entry of a new layer.

    Raises:
        AuditFailed, SegmentMismatch: with a class for each reason; see `lists.errors`.
        ManifestRefused: it is no consistent manifest of this provider.
        SubmissionRefused: a submission held here does not verify.
    """
    manifest = acceptance.read(payload)  # 1
    if manifest.provider != held.settings.provider:
        raise errors.OtherProvider(f"an epoch of {manifest.provider} is not one of {held.settings.provider}")
    check_manifest(manifest)
    _check_place(manifest, held.previous)  # 2
    _check_rule(manifest, held.settings)  # 3
    _check_authorities(manifest, held.authorities)  # 4
    chains, left_out = _chains_of(manifest, held)  # 5
    listed = _check_lists(manifest, chains, files)  # 6
    _check_keys(manifest, held.previous.manifest.keys if held.previous else ())  # 7
    layers = _check_layers(manifest, listed, held.previous)  # 8
    segment_files = {entry.digest: _checked_segment(entry, files) for entry in manifest.segments}  # 9
    new = [(entry, layer) for entry, layer in zip(manifest.segments, layers, strict=True) if entry not in held.verified]
    entries = _check_filters(manifest, new, segment_files, files, workers, progress)  # 10, 11
    return Audit(
        manifest=manifest,
        payload=payload,
        changes=_changes(manifest, held),
        left_out=left_out,
        layers_rebuilt=len(new),
        layers_known=len(layers) - len(new),
        entries_verified=entries,
    )


def _changes(manifest: Manifest, held: Held) -> tuple[str, ...]:
    before = held.previous.manifest if held.previous else None
    found = changes_between(before, manifest, held.settings)
    return ("the epoch before does not bear your signature", *found) if held.unsigned_past else found


def _check_place(manifest: Manifest, previous: Published | None) -> None:
    last = previous.manifest.epoch if previous else 0
    if manifest.epoch > last + 1:
        raise errors.EpochGap(
            f"epoch {manifest.epoch} came before epoch {last + 1}", hint="audit the missing ones first"
        )
    if manifest.epoch <= last:
        raise errors.EpochReplayed(f"epoch {manifest.epoch} is not after epoch {last}, which stands here")
    if previous is None:
        return
    if manifest.created <= previous.manifest.created:
        raise errors.EpochReplayed(
            f"epoch {manifest.epoch} says that it was made at {manifest.created}, "
            f"not after the one before, made at {previous.manifest.created}"
        )
    if manifest.previous != digest_of(previous.manifest):
        raise errors.OtherPrevious(f"epoch {manifest.epoch} does not follow the epoch {last} that stands here")


def _check_rule(manifest: Manifest, settings: Settings) -> None:
    for name in ("agreement", "parameters", "merge_factor"):
        published, agreed = getattr(manifest, name), getattr(settings, name)
        if published != agreed:
            raise errors.OtherRule(
                f"the epoch's {name.replace('_', ' ')} is {published}; agreed was {agreed}",
                hint="ask the provider; if the change is wanted, put it into list.json first",
            )


def _check_authorities(manifest: Manifest, admitted: Sequence[Authority]) -> None:
    named, expected = set(manifest.authorities), set(admitted)
    for authority in sorted(named ^ expected, key=lambda one: one.id):
        raise errors.OtherAuthorities(
            f"the epoch names {authority.id}, which is not admitted here in this form"
            if authority in named
            else f"the epoch does not name {authority.id}, which is admitted"
        )


def _chains_of(manifest: Manifest, held: Held) -> tuple[list[Chain], tuple[str, ...]]:
    """Replay the submissions that the epoch rests on; also say which of those held came too late."""
    heads = {head.authority: head for head in manifest.submissions}
    before = {head.authority: head.number for head in held.previous.manifest.submissions} if held.previous else {}
    chains = []
    late = []
    for authority in held.authorities:
        mine = held.submissions.get(authority.id, ())
        head = heads.get(authority.id)
        number = head.number if head else 0
        if number < before.get(authority.id, 0):
            raise errors.SubmissionsDropped(
                f"the epoch before rested on the submissions of {authority.id} up to number {before[authority.id]}, "
                f"this one up to {number}"
            )
        if number > len(mine):
            raise errors.SubmissionsUnknown(
                f"the epoch rests on the submissions of {authority.id} up to number {number}; "
                f"those held here end with {len(mine)}",
                hint="fetch the missing submissions and audit again",
            )
        chain = submission.replay(Chain(authority, manifest.provider), mine[:number])
        if chain.head != head:
            raise errors.SubmissionsUnknown(f"the submission {number} of {authority.id} held here is another one")
        chains.append(chain)
        if len(mine) > number:
            late.append(f"{authority.id}: {len(mine) - number} (from number {number + 1})")
    return chains, tuple(late)


def _check_lists(manifest: Manifest, chains: Sequence[Chain], files: EpochFiles) -> Mapping[ListClass, frozenset[str]]:
    listed = agreement.listed(chains, manifest.agreement, scheme_of(manifest.parameters))
    for bound in manifest.lists:
        expected = canonical.encode(bound.list_class, listed[bound.list_class])
        given = files.list_file(bound.list_class)
        if given != expected:
            raise _list_difference(bound.list_class, given, listed[bound.list_class], chains, manifest)
        if (bound.digest, bound.items) != (canonical.digest(expected), len(listed[bound.list_class])):
            raise errors.ListMismatch(
                f"the manifest binds another {bound.list_class} list than the one that follows from the submissions"
            )
    return listed


def _list_difference(
    list_class: ListClass, given: bytes, expected: frozenset[str], chains: Sequence[Chain], manifest: Manifest
) -> errors.AuditFailed:
    """Say what is wrong with a list file."""
    try:
        items = set(canonical.decode(given, list_class))
    except errors.MalformedList as error:
        return errors.ListMismatch(f"the {list_class} list file is not canonical: {error.message}")
    for item in sorted(items - expected):
        support = agreement.supports(agreement.vouched(chains, manifest.agreement)).get(item[:64])
        if list_class is ListClass.AGREED and support is not None:
            return errors.OneVouchOnly(
                f"the hash {item} is listed, but only {', '.join(sorted(support.all))} "
                f"{'vouches' if len(support.all) == 1 else 'vouch'} for it"
            )
        return errors.UnvouchedItem(f"the hash {item} is in the {list_class} list, but no submission puts it there")
    missing = sorted(expected - items)
    return errors.MissingItem(
        f"the {list_class} list lacks what the rule lists ({len(missing)} in all): {missing[0]} …"
    )


def _check_keys(manifest: Manifest, before: Sequence[OprfKey]) -> None:
    known = {key.id: key for key in before}
    named = {key.id: key for key in manifest.keys}
    for key in manifest.keys:
        old = known.get(key.id)
        if old is None and key.retires is not None:
            raise errors.KeyHistory(f"the key {key.id} retires without ever having been the current one")
        # Ids are short: two keys with one id can be searched for.
        if old is not None and old.public != key.public:
            raise errors.KeyHistory(f"another key goes by the id {key.id} of the one before")
        if old is not None and old.retires is not None and (key.retires is None or key.retires > old.retires):
            raise errors.KeyHistory(f"the key {key.id} was to retire at {old.retires}, not later")
    for key in before:
        if key.id not in named and (key.retires is None or key.retires >= manifest.created):
            raise errors.KeyHistory(f"the key {key.id} vanished without retiring")


def _check_layers(
    manifest: Manifest, listed: Mapping[ListClass, frozenset[str]], previous: Published | None
) -> tuple[Layer, ...]:
    before = kept_layers(previous, manifest.parameters)
    layers = segments.plan(
        tuple(before), listed, epoch=manifest.epoch, key=manifest.keys[0].id, merge_factor=manifest.merge_factor
    )
    if len(layers) != len(manifest.segments):
        raise errors.ScheduleViolated(
            f"the number of layers is {len(manifest.segments)}; from the epoch before follow {len(layers)}"
        )
    for layer, entry in zip(layers, manifest.segments, strict=True):
        if layer in before and entry != before[layer]:
            raise errors.ScheduleViolated("a layer that did not change is named with another file")
        items = canonical.encode(layer.list_class, layer.items)
        if _facts(entry) != _facts(entry_of(layer, items, b"")):
            raise errors.ScheduleViolated(
                f"a {entry.list_class} layer of {entry.items} items from epoch {entry.since_epoch} "
                f"stands where one of {len(layer.items)} items from epoch {layer.since_epoch} follows"
            )
    return layers


def _facts(entry: SegmentEntry) -> tuple[object, ...]:
    """What an entry says of its layer, the file left aside."""
    return (entry.list_class, entry.since_epoch, entry.key, entry.items, entry.items_digest)


def _checked_segment(entry: SegmentEntry, files: EpochFiles) -> bytes:
    data = files.segment_file(entry)
    acceptance.check_segment(entry, data)
    return data


def _check_filters(
    manifest: Manifest,
    new: Sequence[tuple[SegmentEntry, Layer]],
    segment_files: Mapping[str, bytes],
    files: EpochFiles,
    workers: int,
    progress: Progress | None,
) -> int:
    """Verify the evaluations of each layer and rebuild its filter; return how many entries were verified."""
    public = bytes.fromhex(manifest.keys[0].public)
    inputs = [evaluation.inputs_of(layer.items, scheme_of(manifest.parameters)) for _, layer in new]
    total = sum(len(one) for one in inputs)
    counted = Counted(progress, total)
    for (entry, _), asked in zip(new, inputs, strict=True):
        given = evaluation.Evaluation.decode(files.evaluation_file(entry))
        entries = evaluation.verify(given, asked, public, workers=workers, progress=counted)  # 10
        expected = fuse.build(entries)  # 11
        if segment_files[entry.digest] != expected.encode():
            raise _filter_difference(segment_files[entry.digest], expected, entries)
    return total


def _filter_difference(data: bytes, expected: Segment, entries: evaluation.Entries) -> errors.AuditFailed:
    """Say what is wrong with a filter."""
    try:
        given = Segment.decode(data)
    except WireError as error:
        return errors.FilterMismatch(f"a filter does not read as one: {error.message}")
    if given.entries > expected.entries:
        return errors.ExtraEntry(f"a filter holds {given.entries} entries; its items have {expected.entries}")
    if given.entries < expected.entries or not fuse.contains(given, entries).all():
        return errors.MissingEntry("a filter lacks entries of its items")
    return errors.FilterMismatch("a filter is not, byte for byte, the one that follows from its items")

"""Building an epoch: from what stands, and the epoch before, to a manifest and the files that it binds.

Pure and deterministic, but for the proofs' nonces: whoever holds the submissions and the evaluations rebuilds every
other byte (`audit`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from tutela.lists import agreement, canonical, defaults, evaluation, segments
from tutela.lists.consistency import check_manifest
from tutela.lists.errors import BuildRefused
from tutela.lists.keys import KeyRing
from tutela.lists.segments import Layer
from tutela.lists.submission import Chain
from tutela.matching import fuse, voprf
from tutela.matching.shield import scheme_of
from tutela.wire import document, limits
from tutela.wire.errors import WireError
from tutela.wire.manifest import (
    Agreement,
    ListDigest,
    Manifest,
    Parameters,
    Policy,
    SegmentEntry,
)
from tutela.wire.submission import ListClass, ProviderName

#: Told how many band entries are done, and how many there are.
Progress = Callable[[int, int], None]


class Settings(document.Document, frozen=True):
    """What a provider decides about its list; all of it is published in each manifest."""

    provider: ProviderName
    agreement: Agreement = defaults.AGREEMENT
    parameters: Parameters = defaults.PARAMETERS
    policy: Policy = defaults.POLICY
    merge_factor: Annotated[int, msgspec.Meta(ge=2, le=64)] = defaults.MERGE_FACTOR


@dataclass(frozen=True)
class Published:
    """An epoch as the next one needs it: its manifest, and the items of its layers."""

    manifest: Manifest
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class BuiltLayer:
    """One layer that is new in an epoch: what the manifest says, and the three files."""

    entry: SegmentEntry
    items: bytes
    segment: bytes
    evaluation: bytes


@dataclass(frozen=True)
class Epoch:
    """A built epoch. Layers that the epoch before had are not repeated in `built`."""

    manifest: Manifest
    payload: bytes
    lists: dict[ListClass, bytes]
    layers: tuple[Layer, ...]
    built: tuple[BuiltLayer, ...]

    @property
    def published(self) -> Published:
        """Return this epoch as the next one needs it."""
        return Published(self.manifest, self.layers)


def build(
    settings: Settings,
    chains: Sequence[Chain],
    keys: KeyRing,
    *,
    created: str,
    previous: Published | None,
    random: voprf.RandomBytes = secrets.token_bytes,
    workers: int = 1,
    progress: Progress | None = None,
) -> Epoch:
    """Build the epoch that follows `previous` from what stands in `chains`.

    Raises:
        BuildRefused: it would not come later than `previous`.
        ManifestRefused: no device would accept it (a rule that is too weak, parameters that do not fit).
    """
    if previous is not None and created <= previous.manifest.created:
        raise BuildRefused(
            f"an epoch made at {created} does not come after the one made at {previous.manifest.created}",
            hint="check this machine's clock",
        )
    number = previous.manifest.epoch + 1 if previous else 1
    current = voprf.key_id(keys.current.public)
    listed = agreement.listed(chains, settings.agreement, scheme_of(settings.parameters))
    before = kept_layers(previous, settings.parameters)
    layers = segments.plan(
        tuple(before),
        listed,
        epoch=number,
        key=current,
        merge_factor=settings.merge_factor,
    )
    lists = {list_class: canonical.encode(list_class, listed[list_class]) for list_class in ListClass}
    built = _build_layers([one for one in layers if one not in before], settings, keys, random, workers, progress)
    entries = {**before, **{layer: files.entry for layer, files in built.items()}}
    manifest = Manifest(
        provider=settings.provider,
        epoch=number,
        previous=digest_of(previous.manifest) if previous else None,
        created=created,
        agreement=settings.agreement,
        parameters=settings.parameters,
        policy=settings.policy,
        keys=keys.published(created),
        lists=tuple(
            ListDigest(list_class=c, items=len(listed[c]), digest=canonical.digest(lists[c])) for c in ListClass
        ),
        segments=tuple(entries[layer] for layer in layers),
        merge_factor=settings.merge_factor,
        authorities=tuple(sorted((chain.authority for chain in chains), key=lambda a: a.id)),
        submissions=tuple(sorted((chain.head for chain in chains if chain.head), key=lambda h: h.authority)),
    )
    check_manifest(manifest)
    payload = document.encode(manifest)
    try:
        document.decode(payload, Manifest, limit=limits.MANIFEST_BYTES)
    except WireError as error:
        raise BuildRefused(f"this would make no manifest: {error.message}") from error
    return Epoch(manifest, payload, lists, layers, tuple(built.values()))


def digest_of(manifest: Manifest) -> str:
    """Return what the next manifest calls `previous`: SHA-256 of the payload."""
    return canonical.digest(document.encode(manifest))


def kept_layers(previous: Published | None, parameters: Parameters) -> dict[Layer, SegmentEntry]:
    """Return the layers that the next epoch may keep, with what the manifest says of each: none if bands change."""
    if previous is None or scheme_of(previous.manifest.parameters) != scheme_of(parameters):
        return {}
    return dict(zip(previous.layers, previous.manifest.segments, strict=True))


def entry_of(layer: Layer, items: bytes, segment: bytes) -> SegmentEntry:
    """Return what a manifest says of a layer, given its items file and its segment file."""
    return SegmentEntry(
        list_class=layer.list_class,
        since_epoch=layer.since_epoch,
        key=layer.key,
        items=len(layer.items),
        items_digest=canonical.digest(items),
        size=len(segment),
        digest=canonical.digest(segment),
    )


def _build_layers(
    layers: Sequence[Layer],
    settings: Settings,
    keys: KeyRing,
    random: voprf.RandomBytes,
    workers: int,
    progress: Progress | None,
) -> dict[Layer, BuiltLayer]:
    inputs = {layer: evaluation.inputs_of(layer.items, scheme_of(settings.parameters)) for layer in layers}
    counted = Counted(progress, sum(len(one) for one in inputs.values()))
    built = {}
    for layer, entries in inputs.items():
        made, outputs = evaluation.evaluate(keys.current, entries, random=random, workers=workers, progress=counted)
        segment = fuse.build(outputs).encode()
        if len(segment) > limits.SEGMENT_BYTES:
            raise BuildRefused(f"a segment of {len(segment)} bytes is over the limit of {limits.SEGMENT_BYTES}")
        items = canonical.encode(layer.list_class, layer.items)
        built[layer] = BuiltLayer(entry_of(layer, items, segment), items, segment, made.encode())
    return built


class Counted:
    """Adds up the steps that `evaluation` tells of, and passes the sum on."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def __call__(self, entries: int) -> None:
        """Count `entries` more."""
        self._done += entries
        if self._progress is not None:
            self._progress(self._done, self._total)

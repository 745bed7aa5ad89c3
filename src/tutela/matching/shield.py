"""Shield: the device learns whether a picture is listed; the provider sees a blinded batch of constant size.

One flow without I/O, driven by whoever carries the bytes: `prepare` gives the request to send, `PendingCheck.finish`
takes the answer and the filters. The filters answer *may be listed* per band; a picture is listed in a class when at
least `bands_needed` of its bands have a hit there.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tutela.matching import fuse, voprf
from tutela.matching.bands import BandScheme
from tutela.matching.errors import MatchingError
from tutela.matching.probes import band_probes
from tutela.wire.check import CheckRequest, CheckResponse
from tutela.wire.manifest import Parameters
from tutela.wire.segment import Segment
from tutela.wire.submission import ListClass

#: A band pattern asked for: which band, which OPRF input.
_PADDING: Final = -1


@dataclass(frozen=True)
class Layer:
    """One segment of the filter and the list class that it belongs to."""

    list_class: ListClass
    segment: Segment


@dataclass(frozen=True)
class Hits:
    """How many bands had a hit in each list class, and how many are needed."""

    bands: dict[ListClass, int]
    needed: int

    def listed(self) -> ListClass | None:
        """Return the strongest class in which the picture is listed, or `None`."""
        return next((c for c in ListClass if self.bands.get(c, 0) >= self.needed), None)


@dataclass(frozen=True, repr=False)
class PendingCheck:
    """A request on its way. Holds secrets: it stays on the device and dies with the answer."""

    request: bytes
    _inputs: tuple[bytes, ...]
    _bands: NDArray[np.int64]
    _blinded: tuple[voprf.Blinded, ...]
    _public: bytes
    _parameters: Parameters

    def finish(self, response: bytes, layers: Iterable[Layer]) -> Hits:
        """Verify the answer and look its outputs up.

        Raises:
            MalformedMessage, OversizedMessage: the answer does not parse.
            InvalidProof, InvalidElement: the answer was not made with the published key.
        """
        answer = CheckResponse.decode(response, batch=self._parameters.batch)
        outputs = voprf.finalize(self._inputs, self._blinded, answer.elements, answer.proof, self._public)
        entries = fuse.entries_of(outputs)
        hits: dict[ListClass, set[int]] = {}
        for layer in layers:
            found = self._bands[fuse.contains(layer.segment, entries)]
            hits.setdefault(layer.list_class, set()).update(int(b) for b in found if b != _PADDING)
        return Hits({c: len(b) for c, b in hits.items()}, self._parameters.bands_needed)


def scheme_of(parameters: Parameters) -> BandScheme:
    """Return the band scheme that `parameters` publish."""
    return BandScheme(parameters.bands, parameters.band_bits)


def prepare(
    views: Sequence[NDArray[np.float64]],
    parameters: Parameters,
    public: bytes,
    *,
    random: voprf.RandomBytes = secrets.token_bytes,
) -> PendingCheck:
    """Prepare a check of one picture, given the margins of its query views, shape (256,) each.

    Without views the batch holds only padding: a cover check, which nobody can tell from a real one.

    Raises:
        MatchingError: the parameters leave no probe for a band.
    """
    scheme = scheme_of(parameters)
    per_band = parameters.batch // scheme.bands
    if per_band < 1:
        raise MatchingError("a batch must hold at least one probe for each band")
    asked: list[tuple[int, bytes]] = []
    if views:
        for band in range(scheme.bands):
            asked += [(band, scheme.entry(band, p)) for p in band_probes(views, scheme, band, per_band)]
    # Padding is evaluated and finalised like a probe, so that time tells nothing either; its hits do not count.
    asked += [(_PADDING, random(32)) for _ in range(parameters.batch - len(asked))]
    order = _shuffled(len(asked), random)
    shuffled = [asked[i] for i in order]
    inputs = tuple(data for _, data in shuffled)
    blinded = tuple(voprf.blind(inputs, random=random))
    request = CheckRequest(tuple(b.element for b in blinded)).encode()
    bands = np.array([band for band, _ in shuffled], dtype=np.int64)
    return PendingCheck(request, inputs, bands, blinded, public, parameters)


def _shuffled(n: int, random: voprf.RandomBytes) -> list[int]:
    """A random order of `range(n)`, by sorting random keys."""
    keys = [random(16) for _ in range(n)]
    return sorted(range(n), key=keys.__getitem__)

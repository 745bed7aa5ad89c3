"""When a hash is listed. The rule is `wire.manifest.Agreement` and is published in every epoch.

Two organisations rarely hold identical bytes of one picture, so hashes within a small distance are taken for the
same item: a hash h that somebody vouches for is *agreed* when the hashes within `same_item_distance` of it, itself
included, are vouched for by enough authorities of enough jurisdictions. The relation is not made transitive: a chain
of near hashes never joins its ends.

Near hashes alone would let one authority, by a variant of another's item, put bits of its own choice on the list. So
agreement counts *band by band*: of an agreed hash only those bands are listed whose very pattern enough of its
supporters submitted, each in a hash of its own. Every entry of the filter is then something that authorities of
different jurisdictions hold, and nobody can add one alone (`docs/decisions/0011-agreement-by-band.md`).

*Attested* are the items of feeds that say who verified them. Such a feed passes on what others decided, so it does
not count as a vouch for agreement. What is both agreed and attested is listed as agreed only.
Nothing depends on the order in which anything was submitted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tutela.lists import canonical
from tutela.lists.errors import TooManyNearHashes
from tutela.lists.submission import Chain
from tutela.matching.bands import BandScheme, bits_of_many
from tutela.matching.errors import TooManyPairs
from tutela.matching.hamming import near_pairs
from tutela.wire.manifest import Agreement, Authority
from tutela.wire.submission import Item, ListClass

#: Near pairs looked at together, to bound memory.
_CHUNK: Final = 1 << 18


@dataclass(frozen=True)
class Support:
    """Who vouches for a hash itself, and who for a near hash that counts as the same item."""

    exact: frozenset[str]
    near: frozenset[str]

    @property
    def all(self) -> frozenset[str]:
        """Return the ids of all authorities that count."""
        return self.exact | self.near


@dataclass(frozen=True, eq=False)
class Vouched:
    """All hashes that anybody vouches for in the class agreed, ascending, and which of them are near each other."""

    hashes: list[str]
    exact: list[frozenset[str]]
    """Who vouches for each."""
    bits: NDArray[np.bool_]
    """Shape (n, 256)."""
    pairs: NDArray[np.intp]
    """Rows within the rule's distance, shape (m, 2)."""


def vouched(chains: Sequence[Chain], rule: Agreement) -> Vouched:
    """Collect what the chains vouch for, and find what counts as the same item.

    Raises:
        TooManyNearHashes: so many of them are nearly equal that it would exhaust time or memory; says who crowds most.
    """
    who: dict[str, set[str]] = {}
    for chain in chains:
        for item in _good(chain.standing[ListClass.AGREED], rule):
            who.setdefault(item.pdq, set()).add(chain.authority.id)
    hashes = sorted(who)
    exact = [frozenset(who[pdq]) for pdq in hashes]
    bits = bits_of_many(hashes)
    try:
        pairs = near_pairs(bits, rule.same_item_distance)
    except TooManyPairs as error:
        raise _too_many(hashes, exact, error) from error
    return Vouched(hashes, exact, bits, pairs)


def _too_many(hashes: Sequence[str], exact: Sequence[frozenset[str]], error: TooManyPairs) -> TooManyNearHashes:
    authorities = sorted(frozenset().union(*exact))
    owns = np.array([[one in who for who in exact] for one in authorities], dtype=np.bool_)
    charges = _charges(owns, error.pairs) if len(error.pairs) else owns @ error.counts
    at = int(np.argmax(charges))
    most, example = authorities[at], hashes[int(np.argmax(np.where(owns[at], error.counts, -1)))]
    return TooManyNearHashes(
        f"{most} vouches for too many nearly equal hashes, such as {example}: {error.message}",
        hint=f"ask {most} to withdraw them (tutela list withdraw); until it did, take authorities/{most}.json out of "
        "the list's folder and tell the other authorities why",
    )


def _charges(owns: NDArray[np.bool_], pairs: NDArray[np.intp]) -> NDArray[np.float64]:
    """Charge each pair of near hashes to those who vouch for them, and return what each owes.

    Who crowds around another's hashes pays for it: a pair is split in proportion to how many hashes each of the two
    authorities has near the other's. So an authority owes for what others put beside its hashes at most as many pairs
    as its own hashes are close together, however many come.
    """
    left, right = pairs[:, 0], pairs[:, 1]
    shares = np.zeros(len(pairs), dtype=np.float64)
    for mine in owns:
        shares += _crowd(mine, left, right)
    return np.array([float((_crowd(mine, left, right) / shares).sum()) for mine in owns])


def _crowd(mine: NDArray[np.bool_], left: NDArray[np.intp], right: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return for each pair how many of somebody's hashes are near the other one, where one of the two is theirs."""
    near = np.bincount(left, mine[right], len(mine)) + np.bincount(right, mine[left], len(mine))
    return near[left] * mine[right] + near[right] * mine[left]


def listed(chains: Sequence[Chain], rule: Agreement, scheme: BandScheme) -> dict[ListClass, frozenset[str]]:
    """Return what each list class holds: hashes, and where not all bands are agreed, `hash/bands` (see `canonical`).

    Raises:
        TooManyNearHashes: as `vouched`.
    """
    agreed: dict[str, str] = {}
    for pdq, bands in agreed_bands(vouched(chains, rule), authorities_of(chains), rule, scheme).items():
        if bands:
            agreed[pdq] = canonical.item(pdq, bands, scheme.bands)
    attested = frozenset(
        item.pdq for chain in chains for item in _good(chain.standing[ListClass.ATTESTED], rule) if item.verified_by
    )
    return {ListClass.AGREED: frozenset(agreed.values()), ListClass.ATTESTED: attested - agreed.keys()}


def agreed_bands(
    found: Vouched, authorities: Mapping[str, Authority], rule: Agreement, scheme: BandScheme
) -> dict[str, frozenset[int]]:
    """Return, for each hash that anybody vouches for, the bands whose pattern enough of its supporters submitted."""
    bit = {authority: i for i, authority in enumerate(sorted(authorities))}
    exact = _flags(found.exact, bit)
    patterns = scheme.patterns(found.bits)
    # For each hash and band, one bit for each authority that submitted this pattern, in this hash or in one that is
    # the same item.
    who = np.repeat(exact[:, np.newaxis], scheme.bands, axis=1)
    for left, right in _chunks(found.pairs):
        pair, band = np.nonzero(patterns[left] == patterns[right])
        np.bitwise_or.at(who, (left[pair], band), exact[right[pair]])
        np.bitwise_or.at(who, (right[pair], band), exact[left[pair]])
    of_jurisdiction: dict[str, set[str]] = {}
    for one in authorities.values():
        of_jurisdiction.setdefault(one.jurisdiction, set()).add(one.id)
    jurisdictions = np.zeros(who.shape[:2], dtype=np.uint16)
    for theirs in _flags([frozenset(ids) for ids in of_jurisdiction.values()], bit):
        jurisdictions += (who & theirs).any(axis=2)
    many = np.bitwise_count(who).sum(axis=2, dtype=np.uint16)
    holds = (many >= rule.authorities) & (jurisdictions >= rule.jurisdictions)
    masks = holds @ (1 << np.arange(scheme.bands))
    bands_of = {mask: frozenset(b for b in range(scheme.bands) if mask >> b & 1) for mask in np.unique(masks).tolist()}
    return {pdq: bands_of[mask] for pdq, mask in zip(found.hashes, masks.tolist(), strict=True)}


def supports(found: Vouched) -> dict[str, Support]:
    """Return, for each hash that anybody vouches for in the class agreed, who supports it; ascending by hash."""
    near: dict[int, set[str]] = {}
    for left, right in _chunks(found.pairs):
        for one, other in zip(left.tolist(), right.tolist(), strict=True):
            near.setdefault(one, set()).update(found.exact[other])
            near.setdefault(other, set()).update(found.exact[one])
    return {
        pdq: Support(exact, frozenset(near.get(i, set()) - exact))
        for i, (pdq, exact) in enumerate(zip(found.hashes, found.exact, strict=True))
    }


def _chunks(pairs: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    for start in range(0, len(pairs), _CHUNK):
        yield pairs[start : start + _CHUNK, 0], pairs[start : start + _CHUNK, 1]


def _flags(groups: Sequence[frozenset[str]], bit: Mapping[str, int]) -> NDArray[np.uint8]:
    """Return sets of authorities as bits, shape (sets, bytes)."""
    width = len(bit) // 8 + 1
    flags = {group: sum(1 << bit[one] for one in group).to_bytes(width, "little") for group in set(groups)}
    return np.frombuffer(b"".join(flags[group] for group in groups), dtype=np.uint8).reshape(-1, width)


def authorities_of(chains: Iterable[Chain]) -> dict[str, Authority]:
    """Return the chains' authorities by id."""
    return {chain.authority.id: chain.authority for chain in chains}


def _good(standing: Mapping[str, Item], rule: Agreement) -> list[Item]:
    return [item for item in standing.values() if item.quality >= rule.minimum_quality]

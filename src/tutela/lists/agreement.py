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

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tutela.lists import canonical
from tutela.lists.submission import Chain
from tutela.matching.bands import BandScheme, bits_of_many
from tutela.matching.hamming import near_pairs
from tutela.wire.manifest import Agreement, Authority
from tutela.wire.submission import Item, ListClass


@dataclass(frozen=True)
class Support:
    """Who vouches for a hash itself, and who for a near hash that counts as the same item."""

    exact: frozenset[str]
    near: frozenset[str]

    @property
    def all(self) -> frozenset[str]:
        """Return the ids of all authorities that count."""
        return self.exact | self.near


def listed(chains: Sequence[Chain], rule: Agreement, scheme: BandScheme) -> dict[ListClass, frozenset[str]]:
    """Return what each list class holds: hashes, and where not all bands are agreed, `hash/bands` (see `canonical`)."""
    agreed: dict[str, str] = {}
    for pdq, bands in agreed_bands(chains, rule, scheme).items():
        if bands:
            agreed[pdq] = canonical.item(pdq, bands, scheme.bands)
    attested = frozenset(
        item.pdq for chain in chains for item in _good(chain.standing[ListClass.ATTESTED], rule) if item.verified_by
    )
    return {ListClass.AGREED: frozenset(agreed.values()), ListClass.ATTESTED: attested - agreed.keys()}


def agreed_bands(chains: Sequence[Chain], rule: Agreement, scheme: BandScheme) -> dict[str, frozenset[int]]:
    """Return, for each hash that anybody vouches for, the bands whose pattern enough of its supporters submitted."""
    authorities = authorities_of(chains)
    exact = _submitted(chains, rule)
    hashes = sorted(exact)
    bits = bits_of_many(hashes)
    patterns = scheme.patterns(bits)
    # For each hash and band: who submitted this pattern, in this hash or in one that is the same item.
    who = {pdq: [set(exact[pdq]) for _ in range(scheme.bands)] for pdq in hashes}
    for left, right in near_pairs(bits, rule.same_item_distance).tolist():
        for band in (patterns[left] == patterns[right]).nonzero()[0].tolist():
            who[hashes[left]][band] |= exact[hashes[right]]
            who[hashes[right]][band] |= exact[hashes[left]]
    return {
        pdq: frozenset(band for band, supporters in enumerate(bands) if holds(supporters, authorities, rule))
        for pdq, bands in who.items()
    }


def supports(chains: Sequence[Chain], rule: Agreement) -> dict[str, Support]:
    """Return, for each hash that anybody vouches for in the class agreed, who supports it; ascending by hash."""
    exact = _submitted(chains, rule)
    hashes = sorted(exact)
    near: dict[str, set[str]] = {}
    for left, right in near_pairs(bits_of_many(hashes), rule.same_item_distance).tolist():
        one, other = hashes[left], hashes[right]
        near.setdefault(one, set()).update(exact[other])
        near.setdefault(other, set()).update(exact[one])
    return {pdq: Support(frozenset(exact[pdq]), frozenset(near.get(pdq, set()) - exact[pdq])) for pdq in hashes}


def _submitted(chains: Iterable[Chain], rule: Agreement) -> dict[str, set[str]]:
    """Who vouches for each hash, in the class agreed."""
    exact: dict[str, set[str]] = {}
    for chain in chains:
        for item in _good(chain.standing[ListClass.AGREED], rule):
            exact.setdefault(item.pdq, set()).add(chain.authority.id)
    return exact


def holds(supporters: Iterable[str], authorities: Mapping[str, Authority], rule: Agreement) -> bool:
    """Tell whether these authorities are enough, and of enough jurisdictions."""
    who = set(supporters)
    return len(who) >= rule.authorities and len({authorities[a].jurisdiction for a in who}) >= rule.jurisdictions


def authorities_of(chains: Iterable[Chain]) -> dict[str, Authority]:
    """Return the chains' authorities by id."""
    return {chain.authority.id: chain.authority for chain in chains}


def _good(standing: Mapping[str, Item], rule: Agreement) -> list[Item]:
    return [item for item in standing.values() if item.quality >= rule.minimum_quality]

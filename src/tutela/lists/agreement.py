"""When a hash is listed. The rule is `wire.manifest.Agreement` and is published in every epoch.

Two organisations rarely hold identical bytes of one picture, so hashes within a small distance are taken for the
same item: a hash h that somebody vouches for is *agreed* when the hashes within `same_item_distance` of it, itself
included, are vouched for by enough authorities of enough jurisdictions. The relation is not made transitive: a chain
of near hashes never joins its ends.

*Attested* are the items of feeds that say who verified them. Such a feed passes on what others decided, so it does
not count as a vouch for agreement. What is both agreed and attested is listed as agreed only.
Nothing depends on the order in which anything was submitted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tutela.lists.submission import Chain
from tutela.matching.bands import bits_of_many
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


def listed(chains: Sequence[Chain], rule: Agreement) -> dict[ListClass, frozenset[str]]:
    """Return the hashes that each list class holds."""
    agreed = frozenset(
        pdq for pdq, support in supports(chains, rule).items() if holds(support.all, authorities_of(chains), rule)
    )
    attested = frozenset(
        item.pdq for chain in chains for item in _good(chain.standing[ListClass.ATTESTED], rule) if item.verified_by
    )
    return {ListClass.AGREED: agreed, ListClass.ATTESTED: attested - agreed}


def supports(chains: Sequence[Chain], rule: Agreement) -> dict[str, Support]:
    """Return, for each hash that anybody vouches for in the class agreed, who supports it; ascending by hash."""
    exact: dict[str, set[str]] = {}
    for chain in chains:
        for item in _good(chain.standing[ListClass.AGREED], rule):
            exact.setdefault(item.pdq, set()).add(chain.authority.id)
    hashes = sorted(exact)
    near: dict[str, set[str]] = {}
    for left, right in near_pairs(bits_of_many(hashes), rule.same_item_distance).tolist():
        one, other = hashes[left], hashes[right]
        near.setdefault(one, set()).update(exact[other])
        near.setdefault(other, set()).update(exact[one])
    return {pdq: Support(frozenset(exact[pdq]), frozenset(near.get(pdq, set()) - exact[pdq])) for pdq in hashes}


def holds(supporters: Iterable[str], authorities: Mapping[str, Authority], rule: Agreement) -> bool:
    """Tell whether these authorities are enough, and of enough jurisdictions."""
    who = set(supporters)
    return len(who) >= rule.authorities and len({authorities[a].jurisdiction for a in who}) >= rule.jurisdictions


def authorities_of(chains: Iterable[Chain]) -> dict[str, Authority]:
    """Return the chains' authorities by id."""
    return {chain.authority.id: chain.authority for chain in chains}


def _good(standing: Mapping[str, Item], rule: Agreement) -> list[Item]:
    return [item for item in standing.values() if item.quality >= rule.minimum_quality]

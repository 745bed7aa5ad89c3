"""When a hash is listed: against a naive model, and in any order."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.epochs import CREATED, make_signer
from tutela.lists import agreement, defaults, errors
from tutela.lists.evaluation import inputs_of
from tutela.lists.submission import Chain, replay, seal
from tutela.matching import hamming
from tutela.matching.bands import bits_of_hex
from tutela.matching.shield import scheme_of
from tutela.wire.manifest import Agreement
from tutela.wire.submission import Item, ListClass

SIGNERS = (
    make_signer("aurora", "FI"),
    make_signer("boreal", "CA"),
    make_signer("cumulus", "CA"),
    make_signer("drift", "NZ"),
)
BASE = random.Random(4).getrandbits(256)


def flipped(*bits: int) -> str:
    """A hash that differs from one base in these bits."""
    value = BASE
    for bit in set(bits):
        value ^= 1 << bit
    return f"{value:064x}"


def chains_of(vouches: list[set[str]], attested: list[set[str]] | None = None, **quality: int) -> list[Chain]:
    chains = []
    for signer, hashes, feed in zip(SIGNERS, vouches, attested or [set()] * len(vouches), strict=False):
        chain = Chain(signer.authority, "provider.example")
        for list_class, names, what in (
            (ListClass.AGREED, (), hashes),
            (ListClass.ATTESTED, ("A Board",), feed),
        ):
            if what:
                made = [Item(pdq=h, quality=quality.get(signer.authority.id, 100), verified_by=names) for h in what]
                signed = seal(chain.next(created=CREATED, list_class=list_class, vouched=made), signer.key)
                chain = replay(chain, [signed])
        chains.append(chain)
    return chains


def rule(**changes: Any) -> Agreement:
    return msgspec.structs.replace(defaults.AGREEMENT, **changes)


SCHEME = scheme_of(defaults.PARAMETERS)


def listed_hashes(chains: list[Chain], rule: Agreement) -> dict[ListClass, frozenset[str]]:
    """What is listed, without saying which bands of it."""
    found = agreement.listed(chains, rule, SCHEME)
    return {list_class: frozenset(item[:64] for item in items) for list_class, items in found.items()}


def pattern(pdq: str, band: int) -> tuple[bool, ...]:
    return tuple(bits_of_hex(pdq)[SCHEME.positions(band)].tolist())


def naive(chains: list[Chain], rule: Agreement) -> dict[ListClass, set[str]]:
    """The rule as it is documented, pair by pair and band by band."""
    everything = [(c.authority, h) for c in chains for h in c.standing[ListClass.AGREED]]
    agreed = {}
    for _, pdq in everything:
        near = [(a, h) for a, h in everything if (int(pdq, 16) ^ int(h, 16)).bit_count() <= rule.same_item_distance]
        mask = 0
        for band in range(SCHEME.bands):
            who = {a for a, h in near if pattern(h, band) == pattern(pdq, band)}
            if len(who) >= rule.authorities and len({a.jurisdiction for a in who}) >= rule.jurisdictions:
                mask |= 1 << band
        if mask:
            agreed[pdq] = pdq if mask == 63 else f"{pdq}/{mask:x}"
    attested = {h for c in chains for h in c.standing[ListClass.ATTESTED]}
    return {ListClass.AGREED: set(agreed.values()), ListClass.ATTESTED: attested - agreed.keys()}


NEAR = st.sets(st.integers(0, 40), max_size=20).map(lambda bits: flipped(*bits))
VOUCHES = st.lists(st.sets(NEAR, max_size=5), min_size=4, max_size=4)
RULES = st.builds(
    rule,
    authorities=st.integers(2, 3),
    jurisdictions=st.integers(2, 3),
    same_item_distance=st.sampled_from([0, 1, 8, 15, 31]),
)


@settings(deadline=None)
@given(VOUCHES, VOUCHES, RULES, st.permutations(range(4)))
def test_the_rule_is_what_it_says_in_any_order(
    vouches: list[set[str]], attested: list[set[str]], the_rule: Agreement, order: list[int]
) -> None:
    chains = chains_of(vouches, attested)
    listed = agreement.listed(chains, the_rule, SCHEME)
    assert listed == naive(chains, the_rule)
    assert agreement.listed([chains[i] for i in order], the_rule, SCHEME) == listed


@settings(deadline=None)
@given(VOUCHES, RULES)
def test_no_authority_alone_puts_any_entry_into_the_filter(vouches: list[set[str]], the_rule: Agreement) -> None:
    """Not even by variants of what another one vouches for: every entry is in hashes of two jurisdictions."""
    chains = chains_of(vouches)
    entries = set(inputs_of(sorted(agreement.listed(chains, the_rule, SCHEME)[ListClass.AGREED]), SCHEME))
    held = {chain.authority.jurisdiction: set() for chain in chains}
    for chain in chains:
        held[chain.authority.jurisdiction] |= set(inputs_of(sorted(chain.standing[ListClass.AGREED]), SCHEME))
    for entry in entries:
        assert sum(entry in theirs for theirs in held.values()) >= 2


def test_a_crafted_variant_of_anothers_item_lists_none_of_its_own_bits() -> None:
    """The attack: copy a target's band into an honest hash, 15 bits at most, once for each band."""
    honest = flipped()
    positions = [255 - int(p) for p in SCHEME.positions(2)[:15]]
    crafted = flipped(*positions)
    listed = agreement.listed(chains_of([{honest}, {crafted}]), rule(), SCHEME)[ListClass.AGREED]
    assert listed == {f"{honest}/3b", f"{crafted}/3b"}  # every band but number 2
    entries = inputs_of(sorted(listed), SCHEME)
    assert SCHEME.entry(2, int(SCHEME.patterns(bits_of_hex(crafted))[2])) not in entries
    assert entries == inputs_of([f"{honest}/3b"], SCHEME)


def test_one_vouch_is_not_enough() -> None:
    chains = chains_of([{flipped()}, set()])
    assert listed_hashes(chains, rule())[ListClass.AGREED] == frozenset()


def test_two_authorities_of_one_jurisdiction_are_not_enough() -> None:
    chains = chains_of([set(), {flipped()}, {flipped()}])
    assert listed_hashes(chains, rule())[ListClass.AGREED] == frozenset()


def test_two_authorities_of_two_jurisdictions_are_enough() -> None:
    chains = chains_of([{flipped()}, {flipped()}])
    assert listed_hashes(chains, rule())[ListClass.AGREED] == {flipped()}


def test_one_authority_with_two_near_hashes_is_still_one() -> None:
    chains = chains_of([{flipped(), flipped(1)}, set()])
    assert listed_hashes(chains, rule())[ListClass.AGREED] == frozenset()


def test_near_hashes_are_one_item_up_to_the_distance_and_not_beyond() -> None:
    near, far = flipped(*range(15)), flipped(*range(16))
    assert listed_hashes(chains_of([{flipped()}, {near}]), rule())[ListClass.AGREED] == {flipped(), near}
    assert listed_hashes(chains_of([{flipped()}, {far}]), rule())[ListClass.AGREED] == frozenset()


def test_a_chain_of_near_hashes_does_not_join_its_ends() -> None:
    """a ~ b ~ c with a and c far apart: what only c's authority vouches for beyond b's reach is not listed."""
    a, b, c, d = flipped(), flipped(*range(15)), flipped(*range(30)), flipped(*range(45))
    listed = listed_hashes(chains_of([{a}, {b, c, d}]), rule())[ListClass.AGREED]
    assert listed == {a, b}


def test_an_attested_feed_does_not_count_as_a_vouch() -> None:
    chains = chains_of([{flipped()}, set()], [set(), {flipped()}])
    listed = listed_hashes(chains, rule())
    assert listed == {ListClass.AGREED: frozenset(), ListClass.ATTESTED: {flipped()}}


def test_what_is_agreed_and_attested_is_agreed_only() -> None:
    chains = chains_of([{flipped()}, {flipped()}], [{flipped(), flipped(1)}, set()])
    listed = listed_hashes(chains, rule())
    assert listed == {ListClass.AGREED: {flipped()}, ListClass.ATTESTED: {flipped(1)}}


def test_what_falls_below_a_stricter_rule_does_not_count() -> None:
    chains = chains_of([{flipped()}, {flipped()}], [{flipped(1)}, set()], aurora=60)
    assert listed_hashes(chains, rule(minimum_quality=60))[ListClass.AGREED] == {flipped()}
    stricter = listed_hashes(chains, rule(minimum_quality=61))
    assert stricter == {ListClass.AGREED: frozenset(), ListClass.ATTESTED: frozenset()}


def test_too_many_nearly_equal_hashes_are_refused_and_say_whose_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """One authority alone must not exhaust the memory of whoever builds or audits."""
    crowd = {flipped(i) for i in range(20)}
    chains = chains_of([{flipped(), flipped(100)}, {flipped(0)} | crowd, {flipped(100), flipped(101)}])
    monkeypatch.setattr(hamming, "MOST_PAIRS", 300)
    assert len(agreement.vouched(chains, rule()).pairs) == 253
    monkeypatch.setattr(hamming, "MOST_PAIRS", 200)
    with pytest.raises(errors.TooManyNearHashes, match="boreal vouches for too many nearly equal hashes") as refused:
        listed_hashes(chains, rule())
    assert refused.value.hint is not None
    assert "ask boreal to withdraw them" in refused.value.hint


def crowding(variants: int, crowd: int) -> tuple[set[str], set[str]]:
    """Variants of one picture, and hashes around them that are far from each other."""
    return {flipped(i) for i in range(variants)}, {flipped(*range(11 * i, 11 * i + 11)) for i in range(crowd)}


@pytest.mark.parametrize("copied", [False, True], ids=["beside", "beside, with copies"])
def test_who_crowds_around_anothers_hashes_is_named_not_the_other(
    monkeypatch: pytest.MonkeyPatch, copied: bool
) -> None:
    """The crowd has no near pairs of its own, and each of its hashes is in fewer than each of the other's."""
    honest, crowd = crowding(8, 23)
    chains = chains_of([honest, set(), crowd | honest if copied else crowd])
    monkeypatch.setattr(hamming, "MOST_PAIRS", 100)
    assert len(agreement.vouched(chains[:1], rule()).pairs) == 28
    agreement.vouched(chains_of([set(), set(), crowd])[2:], rule())
    with pytest.raises(errors.TooManyNearHashes, match="cumulus vouches for too many nearly equal hashes"):
        listed_hashes(chains, rule())
    listed_hashes([one for one in chains if one.authority.id != "cumulus"], rule())  # as the hint says


@given(variants=st.integers(1, 11), crowd=st.integers(0, 23), copied=st.booleans())
def test_what_one_owes_for_a_crowd_has_a_bound_that_the_crowd_cannot_move(
    variants: int, crowd: int, copied: bool
) -> None:
    honest, around = crowding(variants, crowd)
    found = agreement.vouched(chains_of([honest, around | honest if copied else around]), rule())
    owns = np.array([[one in who for who in found.exact] for one in ("aurora", "boreal")])
    charges = agreement._charges(owns, found.pairs)
    assert charges.sum() == pytest.approx(len(found.pairs))
    assert charges[0] <= variants * (variants - 1) / 2 + variants**2


def test_whose_hashes_agree_on_a_part_is_named_where_none_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    part = {f"{(0xFFFF << 240) | (BASE >> i):064x}" for i in range(30)}
    monkeypatch.setattr(hamming, "_FREE_COMPARISONS", 100)
    with pytest.raises(errors.TooManyNearHashes, match=r"boreal vouches for too many .* would have to be"):
        agreement.vouched(chains_of([{flipped(), flipped(100)}, part]), rule())


def test_more_authorities_than_bits_in_a_byte_are_counted() -> None:
    signers = [make_signer(f"authority-{i:03}", "FI" if i < 19 else "CA") for i in range(20)]
    chains = [Chain(one.authority, "provider.example") for one in signers]
    made = [
        replay(chain, [seal(chain.next(created=CREATED, vouched=[Item(pdq=flipped(), quality=90)]), one.key)])
        for chain, one in zip(chains, signers, strict=True)
    ]
    for wanted, holds in (({"authorities": 20}, True), ({"authorities": 21}, False), ({"jurisdictions": 3}, False)):
        assert bool(listed_hashes(made, rule(**wanted))[ListClass.AGREED]) is holds


def test_support_tells_exact_from_near() -> None:
    supports = agreement.supports(agreement.vouched(chains_of([{flipped()}, {flipped()}, {flipped(1)}]), rule()))
    assert supports[flipped()] == agreement.Support(frozenset({"aurora", "boreal"}), frozenset({"cumulus"}))
    assert supports[flipped(1)] == agreement.Support(frozenset({"cumulus"}), frozenset({"aurora", "boreal"}))
    assert list(supports) == sorted(supports)

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutela.lists import defaults
from tutela.matching import fuse, sodium, voprf
from tutela.matching.errors import InvalidElement, InvalidProof, MatchingError
from tutela.matching.shield import Hits, Layer, prepare, scheme_of
from tutela.wire import limits
from tutela.wire.check import CheckRequest, CheckResponse, request_bytes
from tutela.wire.errors import MalformedMessage
from tutela.wire.manifest import Parameters
from tutela.wire.submission import ListClass

PARAMETERS = Parameters(bands=6, band_bits=40, bands_needed=2, batch=60)
KEYS = voprf.derive_key_pair(bytes(32), b"shield")
OTHER = voprf.derive_key_pair(bytes([1]) * 32, b"shield")


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=256)


def layer(pictures: list[np.ndarray], list_class: ListClass = ListClass.AGREED, keys=KEYS) -> Layer:
    scheme = scheme_of(PARAMETERS)
    outputs = [
        voprf.evaluate(keys, scheme.entry(band, int(pattern)))[1]
        for margins in pictures
        for band, pattern in enumerate(scheme.patterns(margins > 0))
    ]
    return Layer(list_class, fuse.build(fuse.entries_of(outputs)))


def answer(request: bytes, keys=KEYS) -> bytes:
    elements = CheckRequest.decode(request, batch=PARAMETERS.batch).elements
    return CheckResponse(*map_first(voprf.blind_evaluate(keys, elements))).encode()


def map_first(pair):
    return tuple(pair[0]), pair[1]


def flipped(margins: np.ndarray, positions: list[int]) -> np.ndarray:
    """As an edit does it: the bits change and their coefficients stay near the median."""
    edited = margins.copy()
    edited[positions] = -np.sign(edited[positions]) * 1e-3
    return edited


def test_a_listed_picture_is_found_and_another_is_not():
    layers = [layer([picture(n) for n in range(5)])]
    for seed, listed in ((3, ListClass.AGREED), (99, None)):
        check = prepare([picture(seed)], PARAMETERS, KEYS.public)
        assert check.finish(answer(check.request), layers).listed() is listed


@given(st.sets(st.integers(0, 239), max_size=9))
@settings(max_examples=15, deadline=None)
def test_unsure_bits_are_probed(positions: set[int]):
    """Up to ten probes a band reach any one or two flips of the least sure bits, so two bands are always found."""
    by_band = [[p for p in positions if p % 6 == b][:2] for b in range(6)]
    edited = flipped(picture(1), [p for band in by_band for p in band])
    check = prepare([edited], PARAMETERS, KEYS.public)
    assert check.finish(answer(check.request), [layer([picture(1)])]).bands[ListClass.AGREED] == 6


def test_one_band_is_not_enough():
    edited = picture(1).copy()
    for band in range(1, 6):
        edited[band:240:6] *= -1
    check = prepare([edited], PARAMETERS, KEYS.public)
    hits = check.finish(answer(check.request), [layer([picture(1)])])
    assert hits.bands[ListClass.AGREED] == 1
    assert hits.listed() is None


def test_bands_count_across_layers_but_not_across_classes():
    half, other = picture(1).copy(), picture(1).copy()
    half[[i for i in range(240) if i % 6 != 0]] *= -1
    other[[i for i in range(240) if i % 6 != 3]] *= -1
    check = prepare([picture(1)], PARAMETERS, KEYS.public)
    response = answer(check.request)
    assert check.finish(response, [layer([half]), layer([other])]).listed() is ListClass.AGREED
    assert check.finish(response, [layer([half]), layer([other], ListClass.ATTESTED)]).listed() is None


def test_the_stronger_class_wins():
    assert Hits({ListClass.ATTESTED: 6, ListClass.AGREED: 2}, 2).listed() is ListClass.AGREED
    assert Hits({ListClass.ATTESTED: 2, ListClass.AGREED: 1}, 2).listed() is ListClass.ATTESTED


@pytest.mark.parametrize("views", [0, 1, 2, 3])
def test_every_request_has_the_same_size_and_distinct_valid_elements(views: int):
    check = prepare([picture(n) for n in range(views)], PARAMETERS, KEYS.public)
    assert len(check.request) == request_bytes(PARAMETERS.batch)
    elements = CheckRequest.decode(check.request, batch=PARAMETERS.batch).elements
    assert len(set(elements)) == PARAMETERS.batch
    for element in elements:
        voprf.check_element(element)


def test_any_request_can_be_explained_by_any_picture(monkeypatch: pytest.MonkeyPatch):
    """What the provider sees does not depend on the picture: blinding hides perfectly, not only computationally.

    With points whose discrete logarithms we know, we compute the blinds under which the very request that was made
    for one picture would have been made for another. They exist for every picture, each as likely as the next.
    """
    monkeypatch.setattr(voprf, "hash_to_group", lambda data: sodium.multiply_base(logarithm(data)))
    seen, other = prepare([picture(1)], PARAMETERS, KEYS.public), prepare([picture(2)], PARAMETERS, KEYS.public)
    elements = CheckRequest.decode(seen.request, batch=PARAMETERS.batch).elements
    multiply, invert = sodium.scalar_multiply, sodium.scalar_invert
    for blinded, mine, theirs, element in zip(seen._blinded, seen._inputs, other._inputs, elements, strict=True):
        blind = multiply(multiply(blinded.blind, logarithm(mine)), invert(logarithm(theirs)))
        assert sodium.multiply(blind, voprf.hash_to_group(theirs)) == element


def logarithm(data: bytes) -> bytes:
    return sodium.scalar_reduce(hashlib.sha512(data).digest())


def test_two_checks_of_one_picture_share_nothing():
    first, second = (prepare([picture(1)], PARAMETERS, KEYS.public) for _ in range(2))
    elements = [set(CheckRequest.decode(c.request, batch=60).elements) for c in (first, second)]
    assert not elements[0] & elements[1]


def test_the_order_of_probes_is_shuffled():
    orders = {tuple(prepare([picture(1)], PARAMETERS, KEYS.public)._bands.tolist()) for _ in range(3)}
    assert len(orders) == 3


def test_a_cover_check_matches_nothing_even_in_a_filter_that_holds_everything_it_asks():
    check = prepare([], PARAMETERS, KEYS.public)
    everything = [voprf.evaluate(KEYS, data)[1] for data in check._inputs]
    full = Layer(ListClass.AGREED, fuse.build(fuse.entries_of(everything)))
    assert check.finish(answer(check.request), [full]).bands[ListClass.AGREED] == 0


def test_another_key_is_refused():
    check = prepare([picture(1)], PARAMETERS, KEYS.public)
    with pytest.raises(InvalidProof):
        check.finish(answer(check.request, OTHER), [])


def test_the_answer_to_another_request_is_refused():
    check, other = prepare([picture(1)], PARAMETERS, KEYS.public), prepare([picture(1)], PARAMETERS, KEYS.public)
    with pytest.raises(InvalidProof):
        check.finish(answer(other.request), [])


def test_malformed_answers_are_refused():
    check = prepare([picture(1)], PARAMETERS, KEYS.public)
    good = answer(check.request)
    for bad in (b"", good[:-1], good + b"\0", b"\x07" + good[1:]):
        with pytest.raises(MalformedMessage):
            check.finish(bad, [])
    with pytest.raises((InvalidProof, InvalidElement)):
        check.finish(good[:3] + bytes(32) + good[35:], [])


def test_a_batch_too_small_for_its_bands():
    with pytest.raises(MatchingError):
        prepare([picture(1)], Parameters(bands=6, band_bits=40, bands_needed=2, batch=5), KEYS.public)


def test_secrets_are_not_shown():
    check = prepare([picture(1)], PARAMETERS, KEYS.public)
    assert check._blinded[0].blind.hex() not in repr(check)
    assert str(check._inputs[0]) not in repr(check)


def test_false_matches_from_the_filter_stay_below_one_in_a_million():
    """Over all probes, at the most layers that a manifest may name, also where one band is hit by chance already."""
    parameters = defaults.PARAMETERS
    per_band = parameters.batch // parameters.bands
    by_filter = per_band * limits.MANIFEST_SEGMENTS * fuse.FALSE_POSITIVE_RATE
    by_chance = 1_000_000 * per_band / 2.0**parameters.band_bits
    pairs = math.comb(parameters.bands, parameters.bands_needed)
    assert pairs * (by_filter**2 + 2 * by_filter * by_chance) < 1e-8
    assert pairs * (by_filter + by_chance) ** 2 < 1e-6
    # The same with the 16 bits that were not taken, to show that the bound can fail.
    assert pairs * (per_band * limits.MANIFEST_SEGMENTS * 2.0**-16) ** 2 > 1e-6

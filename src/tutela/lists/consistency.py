"""What must hold within a manifest, whoever signed it. Asked by who builds it, audits it and accepts it."""

from __future__ import annotations

from collections.abc import Sequence

from tutela.lists import defaults
from tutela.lists.errors import InconsistentManifest, MalformedTime, WeakRule
from tutela.lists.times import parse
from tutela.matching import voprf
from tutela.matching.errors import InvalidKey, MatchingError
from tutela.matching.shield import scheme_of
from tutela.wire import limits
from tutela.wire.manifest import Agreement, Manifest, Parameters
from tutela.wire.submission import ListClass


def check_manifest(manifest: Manifest) -> None:
    """Check that a manifest's parts fit together.

    Raises:
        WeakRule: the rule lists what fewer than two authorities of different jurisdictions vouch for.
        InconsistentManifest: anything else that does not fit.
    """
    check_rule(manifest.agreement)
    _require((manifest.epoch == 1) == (manifest.previous is None), "only the first epoch has none before it")
    _check_times(manifest)
    check_parameters(manifest.parameters)
    _check_authorities(manifest)
    _check_keys(manifest)
    _check_lists(manifest)


def check_rule(rule: Agreement) -> None:
    """Raise `WeakRule` if a rule lists what fewer than two authorities of different jurisdictions vouch for."""
    if rule.authorities < defaults.LEAST_AUTHORITIES or rule.jurisdictions < defaults.LEAST_JURISDICTIONS:
        raise WeakRule(
            f"the rule is met by {_count(rule.authorities, 'authority', 'authorities')} of "
            f"{_count(rule.jurisdictions, 'jurisdiction', 'jurisdictions')}; "
            f"no less than {defaults.LEAST_AUTHORITIES} of {defaults.LEAST_JURISDICTIONS} will do"
        )


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def _check_times(manifest: Manifest) -> None:
    try:
        for text in (manifest.created, *(key.retires for key in manifest.keys if key.retires is not None)):
            parse(text)
    except MalformedTime as error:
        raise InconsistentManifest(error.message) from error


def check_parameters(parameters: Parameters) -> None:
    """Raise `InconsistentManifest` if the matching parameters do not fit together."""
    try:
        scheme_of(parameters)
    except MatchingError as error:
        raise InconsistentManifest(error.message) from error
    _require(parameters.bands_needed <= parameters.bands, "more bands are needed than there are")
    _require(parameters.batch >= parameters.bands, "a batch has no room for one probe of each band")


def _check_authorities(manifest: Manifest) -> None:
    ids = [authority.id for authority in manifest.authorities]
    _require(ids == sorted(set(ids)), "authorities are not in ascending order, each once")
    _require_distinct([authority.public_key for authority in manifest.authorities], "two authorities share a key")
    heads = [head.authority for head in manifest.submissions]
    _require(heads == sorted(set(heads)), "submissions are not in ascending order, one for each authority")
    _require(set(heads) <= set(ids), "a submission is of no authority named")


def _check_keys(manifest: Manifest) -> None:
    _require(bool(manifest.keys), "no key is named")
    current, *retiring = manifest.keys
    _require(current.retires is None, "the current key already retires")
    for key in retiring:
        _require(key.retires is not None and key.retires >= manifest.created, "a key is named that is past, or current")
    _require_distinct([key.id for key in manifest.keys], "a key is named twice")
    for key in manifest.keys:
        public = bytes.fromhex(key.public)
        _require(key.id == voprf.key_id(public), f"the key {key.id} does not have that id")
        try:
            voprf.check_public_key(public)
        except InvalidKey as error:
            raise InconsistentManifest(f"the key {key.id} is none") from error


def _check_lists(manifest: Manifest) -> None:
    classes = [entry.list_class for entry in manifest.lists]
    _require(classes == list(ListClass), "each list class is named once, the strongest first")
    _require_distinct([entry.digest for entry in manifest.lists], "two lists have one digest")
    _require(len(manifest.segments) <= limits.MANIFEST_SEGMENTS, "too many segments")
    order = [classes.index(entry.list_class) for entry in manifest.segments]
    _require(order == sorted(order), "segments are not in order of list class")
    _require_distinct([entry.digest for entry in manifest.segments], "two segments have one digest")
    _require_distinct([entry.items_digest for entry in manifest.segments], "two layers hold the same items")
    for entry in manifest.segments:
        _require(entry.key == manifest.keys[0].id, "a segment was built with another key than the current one")
        _require(1 <= entry.since_epoch <= manifest.epoch, "a segment comes from an epoch still to come")
        _require(entry.items >= 1, "a segment is empty")
        _require(entry.size <= limits.SEGMENT_BYTES, "a segment is over the limit")
    for listed in manifest.lists:
        held = sum(entry.items for entry in manifest.segments if entry.list_class is listed.list_class)
        _require(held == listed.items, f"the segments hold {held} {listed.list_class} items, the list {listed.items}")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise InconsistentManifest(f"a manifest contradicts itself: {otherwise}")


def _require_distinct(values: Sequence[str], otherwise: str) -> None:
    _require(len(set(values)) == len(values), otherwise)

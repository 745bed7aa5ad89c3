"""What an epoch changes of what the one before published, in sentences that a person reads before signing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from tutela.lists.epoch import Settings
from tutela.wire.manifest import Manifest

_NAMES: Final = {
    "agreement": "the rule",
    "parameters": "the parameters",
    "policy": "the policy",
    "merge_factor": "the merge schedule",
}


def changes_between(previous: Manifest | None, manifest: Manifest, settings: Settings) -> tuple[str, ...]:
    """Return what `manifest` changes, given the epoch before and the settings that the reader holds."""
    found = list(_policy_beside_settings(manifest, settings))
    if previous is not None:
        found += _published(previous, manifest)
        found += _authorities(previous, manifest)
        found += _keys(previous, manifest)
    return tuple(found)


def _policy_beside_settings(manifest: Manifest, settings: Settings) -> Iterator[str]:
    for detail in _differences(msgspec.to_builtins(settings.policy), msgspec.to_builtins(manifest.policy)):
        yield f"the policy differs from list.json: {detail}"


def _published(previous: Manifest, manifest: Manifest) -> Iterator[str]:
    before, after = msgspec.to_builtins(previous), msgspec.to_builtins(manifest)
    for field, name in _NAMES.items():
        for detail in _differences(before[field], after[field]):
            yield f"{name} changes: {detail}"


def _differences(before: object, after: object, path: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in after:
            yield from _differences(before.get(key), after[key], f"{path}.{key}" if path else str(key))
    elif before != after:
        yield f"{path + ' ' if path else ''}from {before} to {after}"


def _authorities(previous: Manifest, manifest: Manifest) -> Iterator[str]:
    before = {authority.id: authority for authority in previous.authorities}
    after = {authority.id: authority for authority in manifest.authorities}
    for one in sorted(after.keys() - before.keys()):
        yield f"the authority {one} ({after[one].jurisdiction}) joins"
    for one in sorted(before.keys() - after.keys()):
        yield f"the authority {one} ({before[one].jurisdiction}) leaves"
    for one in sorted(before.keys() & after.keys()):
        if before[one] != after[one]:
            yield f"the authority {one} changes its name, jurisdiction or key"


def _keys(previous: Manifest, manifest: Manifest) -> Iterator[str]:
    before, after = previous.keys[0], manifest.keys[0]
    named = {key.id: key for key in manifest.keys}
    if before.id != after.id:
        old = named.get(before.id)
        ends = "at once" if old is None or old.retires == manifest.created else f"at {old.retires}"
        yield f"the key changes from {before.id}, which retires {ends}, to {after.id}"
    for key in previous.keys[1:]:
        now = named.get(key.id)
        if now is not None and now.retires != key.retires:
            yield f"the key {key.id} retires at {now.retires} instead of {key.retires}"

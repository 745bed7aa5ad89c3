"""What an epoch changes of what the one before published, in sentences that a person reads before signing.

The first epoch has none before it: everything in it is a change.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tutela.lists.authority import public_key_of
from tutela.lists.epoch import Settings
from tutela.wire.envelope import key_id
from tutela.wire.manifest import Authority, ConversationRule, Manifest, Policy

_NAMES: Final = {
    "agreement": "the rule",
    "parameters": "the parameters",
    "policy": "the policy",
    "merge_factor": "the merge schedule",
}


def changes_between(previous: Manifest | None, manifest: Manifest, settings: Settings) -> tuple[str, ...]:
    """Return what `manifest` changes, given the epoch before and the settings that the reader holds."""
    found = list(_policy_beside_settings(manifest, settings))
    if previous is None:
        found += _first(manifest)
    else:
        found += _published(previous, manifest)
        found += _authorities(previous, manifest)
        found += _keys(previous, manifest)
    return tuple(found)


def described(authority: Authority) -> str:
    """Return all that a manifest says of an authority: `aurora is Aurora Hotline, of FI, with the key id 3f…`."""
    return (
        f"{authority.id} is {authority.name}, of {authority.jurisdiction}, "
        f"with the key id {key_id(public_key_of(authority))}"
    )


def conversations_of(policy: Policy) -> Iterator[str]:
    """Return what a policy says of the conversation guard in words, once for all jurisdictions with the same rule."""
    alike: dict[tuple[str, str], list[str]] = {}
    for rule in () if policy.conversations is msgspec.UNSET else policy.conversations:
        alike.setdefault((rule.group.value, _said(rule)), []).append(_where(rule))
    for (group, says), places in alike.items():
        yield f"conversations of a {group} ({', '.join(places)}): {says}"


def _where(rule: ConversationRule) -> str:
    return rule.jurisdiction or "everywhere else"


def _said(rule: ConversationRule) -> str:
    off = "may be switched off" if rule.may_switch_off else "stays on"
    return f"{rule.at_first} at first, {rule.at_most} at most, {off}"


def _plain(document: Manifest | Settings) -> dict[str, Any]:
    """Return what is published, with each rule for conversations under its own name, so that they differ one by one."""
    rules = document.policy.conversations
    plain: dict[str, Any] = {field: msgspec.to_builtins(getattr(document, field)) for field in _NAMES}
    plain["policy"]["conversations"] = {
        f"a {rule.group.value} ({_where(rule)})": _said(rule) for rule in (() if rules is msgspec.UNSET else rules)
    }
    return plain


def _first(manifest: Manifest) -> Iterator[str]:
    yield "it is the first epoch: compare all that follows with what you know and agreed to"
    for authority in manifest.authorities:
        yield f"the authority {described(authority)}"
    published = _plain(manifest)
    published["policy"].pop("conversations")
    for field, name in _NAMES.items():
        yield f"{name}: {', '.join(_values(published[field]))}"
    for rule in conversations_of(manifest.policy):
        yield f"the policy for {rule}"
    yield f"the key is {manifest.keys[0].id}"


def _values(value: object, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key in value:
            yield from _values(value[key], f"{path}.{key}" if path else str(key))
    else:
        yield f"{path} {value}".strip()


def _policy_beside_settings(manifest: Manifest, settings: Settings) -> Iterator[str]:
    for detail in _differences(_plain(settings)["policy"], _plain(manifest)["policy"]):
        yield f"the policy differs from list.json: {detail}"


def _published(previous: Manifest, manifest: Manifest) -> Iterator[str]:
    before, after = _plain(previous), _plain(manifest)
    for field, name in _NAMES.items():
        for detail in _differences(before[field], after[field]):
            yield f"{name} changes: {detail}"


def _differences(before: object, after: object, path: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in (*after, *(key for key in before if key not in after)):
            yield from _differences(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
    elif before != after:
        yield f"{path + ' ' if path else ''}from {before} to {after}"


def _authorities(previous: Manifest, manifest: Manifest) -> Iterator[str]:
    before = {authority.id: authority for authority in previous.authorities}
    after = {authority.id: authority for authority in manifest.authorities}
    for one in sorted(after.keys() - before.keys()):
        yield f"an authority joins: {described(after[one])}"
    for one in sorted(before.keys() - after.keys()):
        yield f"the authority {one} ({before[one].jurisdiction}) leaves"
    for one in sorted(before.keys() & after.keys()):
        for detail in _differences(msgspec.to_builtins(before[one]), msgspec.to_builtins(after[one])):
            yield f"the authority {one} changes: {detail}"


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

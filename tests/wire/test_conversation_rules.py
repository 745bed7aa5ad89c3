"""The policy's optional part for the conversation guard: old policies keep their bytes, contradictions are refused."""

from __future__ import annotations

import msgspec
import pytest

from tutela.lists import defaults
from tutela.wire import document
from tutela.wire.errors import MalformedMessage
from tutela.wire.manifest import ChildGroup, ConversationRule, Heard, Policy

OLD = (
    b'{"agreed":{"incoming":"stop","outgoing":"stop"},"attested":{"incoming":"warn","outgoing":"warn"},'
    b'"checks_per_hour":300,"cover_checks_per_day":6,"mode":"shield",'
    b'"unchecked":{"incoming":"warn","outgoing":"warn"}}'
)


def rule(group: ChildGroup = ChildGroup.TEEN, jurisdiction: str | None = None, **more: object) -> ConversationRule:
    values = {"at_first": Heard.TIP, "at_most": Heard.WARNING, "may_switch_off": False} | more
    return ConversationRule(group=group, jurisdiction=jurisdiction, **values)  # type: ignore[arg-type]


def with_rules(*rules: ConversationRule) -> Policy:
    return msgspec.structs.replace(defaults.POLICY, conversations=rules)


def read(policy: Policy) -> Policy:
    return document.decode(document.encode(policy), Policy, limit=10_000)


def test_a_policy_from_before_this_part_is_valid_and_keeps_its_bytes():
    policy = document.decode(OLD, Policy, limit=10_000)
    assert policy.conversations is msgspec.UNSET
    without = msgspec.structs.replace(defaults.POLICY, conversations=msgspec.UNSET)
    assert document.encode(policy) == OLD == document.encode(without)


def test_rules_come_back_as_they_were_written():
    policy = with_rules(rule(ChildGroup.CHILD), rule(), rule(jurisdiction="FR", at_first=Heard.NUDGE))
    assert read(policy) == policy


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"at_first":"tip"', b'"at_first":"quiet"'),
        (b'"at_first":"tip"', b'"at_first":"warning"'),
        (b'"group":"teen"', b'"group":"adult"'),
        (b'"jurisdiction":"FR"', b'"jurisdiction":"fr"'),
        (b'"jurisdiction":"FR"', b'"jurisdiction":null'),
        (b'"may_switch_off":false', b'"may_switch_off":"no"'),
    ],
)
def test_other_rules_are_refused(before: bytes, after: bytes):
    """Also a guard quieter from the start than it may be made, and two rules for one place."""
    data = document.encode(with_rules(rule(), rule(jurisdiction="FR", at_most=Heard.NUDGE)))
    assert before in data
    with pytest.raises(MalformedMessage):
        document.decode(data.replace(before, after), Policy, limit=10_000)


def test_no_rules_are_an_absent_part():
    data = document.encode(with_rules(rule()))
    start = data.index(b"[")
    with pytest.raises(MalformedMessage):
        document.decode(data[:start] + b"[]" + data[data.index(b"]") + 1 :], Policy, limit=10_000)

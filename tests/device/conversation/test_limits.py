"""From the verified policy and the device's own settings to what a child's account may choose."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import pytest

from tutela.device.conversation.settings import CAREFUL, AgeGroup, Limits, Settings, allowed_to, limits_of
from tutela.device.guard import Guard
from tutela.lists import defaults
from tutela.signals.conversation.decision import Level
from tutela.wire.manifest import ChildGroup, ConversationRule, Heard, Policy

POLICY: Policy = msgspec.structs.replace(
    defaults.POLICY,
    conversations=(
        ConversationRule(
            group=ChildGroup.TEEN,
            jurisdiction=None,
            at_first=Heard.NUDGE,
            at_most=Heard.WARNING,
            may_switch_off=True,
        ),
        ConversationRule(
            group=ChildGroup.TEEN,
            jurisdiction="FR",
            at_first=Heard.TIP,
            at_most=Heard.NUDGE,
            may_switch_off=False,
        ),
    ),
)
ELSEWHERE = Limits(Level.NUDGE, Level.WARNING, may_switch_off=True)
FRANCE = Limits(Level.TIP, Level.NUDGE, may_switch_off=False)


@pytest.mark.parametrize(
    ("policy", "settings", "limits"),
    [
        (None, Settings(), CAREFUL),
        (defaults.POLICY, Settings(), CAREFUL),
        (POLICY, Settings(), ELSEWHERE),
        (POLICY, Settings(jurisdiction="FI"), ELSEWHERE),
        (POLICY, Settings(jurisdiction="FR"), FRANCE),
        (POLICY, Settings(AgeGroup.CHILD, jurisdiction="FR"), CAREFUL),
        (POLICY, Settings(AgeGroup.ADULT, jurisdiction="FR"), CAREFUL),
    ],
)
def test_the_rule_of_the_jurisdiction_goes_before_the_general_one(
    policy: Policy | None, settings: Settings, limits: Limits
):
    assert limits_of(policy, settings) == limits


def test_an_adult_chooses_whatever_the_policy_says():
    assert allowed_to(Settings(AgeGroup.ADULT), FRANCE).may_switch_off


def test_the_device_takes_them_from_the_epoch_that_it_has_accepted():
    held = SimpleNamespace(_epoch=None)
    assert Guard.conversation_limits(held, Settings(jurisdiction="FR")) == CAREFUL  # type: ignore[arg-type]
    held._epoch = SimpleNamespace(manifest=SimpleNamespace(policy=POLICY))
    assert Guard.conversation_limits(held, Settings(jurisdiction="FR")) == FRANCE  # type: ignore[arg-type]


def test_settings_from_before_there_was_a_jurisdiction_are_read():
    old = msgspec.msgpack.encode({"group": "child", "lowest": 2, "speaks_for_sender": True})
    assert msgspec.msgpack.decode(old, type=Settings) == Settings(AgeGroup.CHILD, Level.NUDGE)

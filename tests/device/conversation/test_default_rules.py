"""What a child's account may change under the rules that a new list starts with, by age and jurisdiction."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from tutela.device.conversation.settings import CAREFUL, AgeGroup, Limits, Settings, allowed_to, limits_of, lowest_shown
from tutela.lists import defaults
from tutela.signals.conversation.decision import Level
from tutela.wire.manifest import ChildGroup

#: From which age somebody may agree to an online service alone, as docs/decisions/0019 says with its sources.
AGES = {
    "BE": 13, "EE": 13, "FI": 13, "GB": 13, "LV": 13, "MT": 13, "PT": 13, "SE": 13, "US": 13,
    "AT": 14, "BG": 14, "CY": 14, "ES": 14, "IT": 14, "LT": 14,
    "CZ": 15, "DK": 15, "FR": 15, "GR": 15,
    "DE": 16, "HR": 16, "HU": 16, "IE": 16, "LU": 16, "NL": 16, "PL": 16, "RO": 16, "SK": 16,
}  # fmt: skip
YOUNGER = Limits(Level.TIP, Level.NUDGE)
FREER = Limits(Level.TIP, Level.WARNING, may_switch_off=True)
DECISION = (Path(__file__).parents[3] / "docs/decisions/0019-rules-for-conversations.md").read_text()


def group_of(age: int) -> AgeGroup:
    return AgeGroup.CHILD if age < 13 else AgeGroup.TEEN if age < 18 else AgeGroup.ADULT


def may(age: int, place: str | None) -> Limits:
    settings = Settings(group_of(age), jurisdiction=place)
    return allowed_to(settings, limits_of(defaults.POLICY, settings))


@pytest.mark.parametrize(
    ("place", "at_12", "at_15", "at_17"),
    [
        ("GB", YOUNGER, FREER, FREER),
        ("US", YOUNGER, FREER, FREER),
        ("SE", YOUNGER, FREER, FREER),
        ("IT", YOUNGER, CAREFUL, CAREFUL),
        ("FR", YOUNGER, CAREFUL, CAREFUL),
        ("DK", YOUNGER, CAREFUL, CAREFUL),
        ("DE", YOUNGER, CAREFUL, CAREFUL),
        ("NO", YOUNGER, CAREFUL, CAREFUL),
        ("JP", YOUNGER, CAREFUL, CAREFUL),
        (None, YOUNGER, CAREFUL, CAREFUL),
    ],
)
def test_what_each_age_may_change(place: str | None, at_12: Limits, at_15: Limits, at_17: Limits):
    assert (may(12, place), may(15, place), may(17, place)) == (at_12, at_15, at_17)
    adult = may(18, place)
    assert adult.may_switch_off
    assert lowest_shown(Settings(AgeGroup.ADULT, Level.QUIET, jurisdiction=place), adult) is None


@pytest.mark.parametrize("place", [*AGES, "NO", "SI", None])
def test_under_13_it_stays_on_and_its_cards_are_shown_everywhere(place: str | None):
    asked = Settings(AgeGroup.CHILD, Level.QUIET, jurisdiction=place)
    assert lowest_shown(asked, limits_of(defaults.POLICY, asked)) is Level.NUDGE


@pytest.mark.parametrize(("place", "age"), AGES.items())
def test_a_teenager_switches_it_off_only_where_every_teenager_decides_alone(place: str, age: int):
    """The group is one from 13 to 17: where the age is 14, 15 or 16, some of it are below."""
    asked = Settings(AgeGroup.TEEN, Level.QUIET, jurisdiction=place)
    assert lowest_shown(asked, limits_of(defaults.POLICY, asked)) is (None if age == 13 else Level.WARNING)


def test_no_rule_names_a_place_of_which_the_age_is_not_known():
    rules = defaults.POLICY.conversations
    assert rules is not msgspec.UNSET
    assert {rule.jurisdiction for rule in rules if rule.group is ChildGroup.TEEN} == {
        place for place, age in AGES.items() if age == 13
    }
    assert [rule.jurisdiction for rule in rules if rule.group is ChildGroup.CHILD] == [None]


def test_the_decision_gives_the_age_of_every_place_and_a_source():
    rows = re.findall(r"^\| (1[3-6]) \| ([A-Z, ]+) \| .*https://", DECISION, re.MULTILINE)
    assert {place: int(age) for age, places in rows for place in places.split(", ")} == AGES


def test_a_list_without_such_rules_leaves_every_child_with_the_careful_defaults():
    silent = msgspec.structs.replace(defaults.POLICY, conversations=msgspec.UNSET)
    for group in (AgeGroup.CHILD, AgeGroup.TEEN):
        assert limits_of(silent, Settings(group, jurisdiction="GB")) == CAREFUL

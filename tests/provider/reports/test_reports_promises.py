"""The published review policy: what it promises at which hour, and what no policy may say."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.provider.errors import SettingsError
from tutela.provider.review import policy as policies
from tutela.provider.review.policy import ActionKind, Urgency, urgency_of
from tutela.wire.report import ReportReason

SHIPPED = policies.load()
BRUSSELS = ZoneInfo("Europe/Brussels")
TEXT = (Path(policies.__file__).parent / "policy.toml").read_text(encoding="utf-8")


def at(day: int, hour: int, minute: int = 0, *, month: int = 11) -> int:
    """A moment of November 2026 in Brussels; the 24th is a Tuesday."""
    return round(datetime(2026, month, day, hour, minute, tzinfo=BRUSSELS).timestamp() * 1000)


@pytest.mark.parametrize(
    ("now", "urgency", "minutes"),
    [
        (at(24, 12), Urgency.CONTACT, 240),
        (at(24, 12), Urgency.IMMINENT, 15),
        (at(24, 3), Urgency.IMMINENT, 15),  # somebody is on call
        (at(24, 3), Urgency.CONTACT, 5 * 60 + 240),
        (at(24, 16), Urgency.CONTACT, 16 * 60),  # would be 20:00, when everybody has left: 8:00 next day
        (at(24, 19), Urgency.CONTACT, 13 * 60),
        (at(24, 23), Urgency.CONTACT, 9 * 60 + 240),
        (at(24, 12), Urgency.DISTRIBUTION, 24 * 60),
        (at(24, 20), Urgency.OTHER, 12 * 60 + 72 * 60),
    ],
)
def test_what_is_promised_is_kept_by_people_who_sleep(now: int, urgency: Urgency, minutes: int) -> None:
    assert SHIPPED.read_within(urgency, now) == minutes
    assert SHIPPED.due(urgency, now) == now + minutes * 60_000


def test_the_night_when_the_clocks_change_is_an_hour_longer() -> None:
    before = at(24, 21, month=10)  # on 25 October 2026 an hour comes twice

    assert SHIPPED.nobody_for(Urgency.CONTACT, before) == 12 * 60
    assert datetime.fromtimestamp(before / 1000 + 12 * 3600, UTC).astimezone(BRUSSELS).hour == 8


@given(st.integers(at(1, 0), at(30, 0)), st.sampled_from(Urgency))
def test_nothing_is_due_while_nobody_is_there(now: int, urgency: Urgency) -> None:
    assert SHIPPED.nobody_for(urgency, SHIPPED.due(urgency, now)) == 0


def test_without_anybody_on_call_danger_waits_for_the_morning() -> None:
    staffing = msgspec.structs.replace(SHIPPED.staffing, on_call=False, days=(1, 2, 3, 4, 5))
    policy = msgspec.structs.replace(SHIPPED, staffing=staffing)

    assert policy.read_within(Urgency.IMMINENT, at(27, 21)) == (11 + 48) * 60 + 15  # Friday night to Monday


def test_danger_is_imminent_whatever_the_reason() -> None:
    assert {urgency_of(reason, danger_now=True) for reason in ReportReason} == {Urgency.IMMINENT}
    assert Urgency.IMMINENT not in {urgency_of(reason, danger_now=False) for reason in ReportReason}


@pytest.mark.parametrize("actions", [[ActionKind.BAN], [ActionKind.DISCLOSE], [ActionKind.WARN, ActionKind.SUSPEND]])
def test_what_harms_somebody_takes_two(actions: list[ActionKind]) -> None:
    assert all(SHIPPED.needs_two(actions, urgency) for urgency in Urgency)


def test_a_lock_at_once_is_for_danger_alone() -> None:
    assert SHIPPED.may_act_at_once([ActionKind.LOCK], Urgency.IMMINENT)
    assert not SHIPPED.may_act_at_once([ActionKind.LOCK], Urgency.CONTACT)
    assert not SHIPPED.may_act_at_once([ActionKind.LOCK, ActionKind.BAN], Urgency.IMMINENT)
    assert not SHIPPED.may_act_at_once([], Urgency.IMMINENT)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('actions = ["suspend", "ban", "disclose"]', 'actions = ["suspend", "disclose"]'),
        ('actions = ["suspend", "ban", "disclose"]', 'actions = ["suspend", "ban", "disclose", "lock"]'),
        ('zone = "Europe/Brussels"', 'zone = "Europe/Atlantis"'),
        ("until = 20:00:00", "until = 07:00:00"),
        ("days = [1, 2, 3, 4, 5, 6, 7]", "days = []"),
        ("days = [1, 2, 3, 4, 5, 6, 7]", "days = [8]"),
        ("imminent = 15", "imminent = 0"),
        ("reports = 3", "reports = 1"),
        ('id = "more-needed"', 'id = "no-breach"'),
        ('title.en = "A child in danger"', 'title.en = ""'),
        ('title.fr = "Un enfant en danger"', 'title.de = "Ein Kind in Gefahr"'),
        ("version = 1", "version = 1\nsurprise = 1"),
        ("version = 1", "version ="),
    ],
)
def test_a_policy_that_cannot_work_is_refused(tmp_path: Path, before: str, after: str) -> None:
    assert before in TEXT
    path = tmp_path / "policy.toml"
    path.write_text(TEXT.replace(before, after, 1), encoding="utf-8")

    with pytest.raises(SettingsError):
        policies.load(path)


def test_a_policy_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(TEXT.replace("imminent = 15", "imminent = 10"), encoding="utf-8")

    assert policies.load(path).minutes.imminent == 10
    with pytest.raises(SettingsError, match="cannot read"):
        policies.load(tmp_path / "nowhere.toml")


def test_every_rule_speaks_both_languages() -> None:
    for rule in SHIPPED.rules:
        assert set(rule.title) == set(rule.text) == {"en", "fr"}

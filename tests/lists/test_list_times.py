"""Times as the documents write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutela.lists import times
from tutela.lists.errors import MalformedTime

MOMENTS = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9000, 1, 1), timezones=st.just(UTC))


@settings(deadline=None)
@given(MOMENTS, MOMENTS)
def test_texts_sort_as_the_times_do(one: datetime, other: datetime) -> None:
    one, other = one.replace(microsecond=0), other.replace(microsecond=0)
    assert times.parse(times.text_of(one)) == one
    assert (times.text_of(one) < times.text_of(other)) == (one < other)


def test_other_zones_are_written_in_utc() -> None:
    east = timezone(timedelta(hours=2))
    assert times.text_of(datetime(2026, 1, 1, 1, tzinfo=east)) == "2025-12-31T23:00:00Z"


def test_later_counts_days_across_a_leap_day() -> None:
    assert times.later("2028-02-28T12:00:00Z", timedelta(days=2)) == "2028-03-01T12:00:00Z"


@pytest.mark.parametrize(
    "text",
    ["", "2026-02-30T00:00:00Z", "2026-1-1T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00Z\n", "2026-01-01"],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(MalformedTime):
        times.parse(text)

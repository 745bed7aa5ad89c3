"""The help file holds what the page promises."""

from __future__ import annotations

import msgspec
import pytest

from tutela.chat.helplines import Country, Line, countries, first_for, nearest_first


def test_the_numbers_that_children_are_given():
    """A changed digit sends a child to a stranger: whoever changes the file changes this list too."""
    numbers = {line.name: line.number for country in countries() for line in country.line}
    assert numbers == {
        "3018": "3018",
        "119 – Allô enfance en danger": "119",
        "3114": "3114",
        "Childline": "0800 1111",
        "Report Remove": None,
        "NCMEC": "1-800-843-5678",
        "988 Lifeline": "988",
        "Take It Down": None,
        "116 111": "116 111",
        "INHOPE": None,
    }


def test_the_emergency_numbers():
    numbers = {country.code: country.emergency.number for country in countries() if country.emergency}
    assert numbers == {"FR": "112", "GB": "999", "US": "911", "EU": "112"}


def test_each_number_was_seen_in_its_source():
    assert all(line.seen == "number" for country in countries() for line in country.line if line.number)


@pytest.mark.parametrize(
    ("language", "region", "first"),
    [
        ("fr", "FR", "FR"),
        ("en", "US", "US"),
        ("en", "GB", "GB"),
        ("en", "FR", "FR"),
        ("fr", "ZZ", "ZZ"),
        ("fr", None, "EU"),
        ("en", None, "EU"),
        ("en", "DE", "EU"),
    ],
)
def test_the_readers_country_comes_first(language: str, region: str | None, first: str):
    ordered = nearest_first(countries(), language=language, region=region)
    assert ordered[0].code == first
    assert set(ordered) == set(countries())


@pytest.mark.parametrize(
    ("focus", "region", "first"),
    [
        ("threat", "FR", "3018"),
        ("self-harm", "FR", "3114"),
        ("self-harm", "US", "988 Lifeline"),
        ("threat", "US", "NCMEC"),
        ("self-harm", "GB", "Childline"),
        ("general", "FR", "3018"),
        ("<script>", "US", "NCMEC"),
    ],
)
def test_the_line_for_what_happened_comes_first(focus: str, region: str, first: str):
    everywhere = first_for(countries(), focus)
    country = next(country for country in everywhere if country.code == region)
    assert country.line[0].name == first
    assert [set(c.line) for c in everywhere] == [set(c.line) for c in countries()]


def test_a_telephone_dials_digits_only():
    assert next(line.dial for country in countries() for line in country.line if line.name == "NCMEC") == "18008435678"


@pytest.mark.parametrize(
    "wrong",
    [{"web": "http://example.org"}, {"web": 'https://a" onclick='}, {"number": "12;34"}, {"read": "soon"}, {"more": 1}],
)
def test_a_malformed_line_is_refused(wrong: dict):
    line = {"name": "A", "what": "b", "web": "https://example.org", "source": "https://example.org"}
    line |= {"read": "2026-11-24", "seen": "number"}
    assert msgspec.convert(line, Line)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"code": "FR", "name": "F", "languages": ["fr"], "line": [{**line, **wrong}]}, Country)

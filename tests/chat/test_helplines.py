"""The help file holds what the page promises."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from tutela.chat.helplines import WIDE, Country, Line, by_name, countries, first_for, nearest_first
from tutela.language import words

#: A changed digit sends a child to a stranger: whoever changes the file changes this list too.
NUMBERS: dict[str, dict[str, str | None]] = {
    "AR": {"Línea 102": "102", "Línea 137": "137"},
    "AT": {"147 – Rat auf Draht": "147"},
    "AU": {"Kids Helpline": "1800 55 1800", "eSafety": None},
    "BE": {"Écoute-Enfants (français)": "103", "Awel (Nederlands)": "102"},
    "BG": {"116 111": "116 111"},
    "BR": {"Disque 100": "100", "CVV 188": "188", "Helpline – SaferNet Brasil": None},
    "CA": {"Kids Help Phone – Jeunesse, J’écoute": "1-800-668-6868", "Cybertip.ca": "1-866-658-9022",
           "NeedHelpNow.ca": None},
    "CH": {"147 – Pro Juventute": "147"},
    "CL": {"Línea Libre": "1515", "Fono Niños 147": "147"},
    "CO": {"Línea 141 – ICBF": "141"},
    "CY": {"Hope For Children": "1466", "116 111": "116 111", "1480": "1480"},
    "CZ": {"Linka bezpečí": "116 111"},
    "DE": {"Nummer gegen Kummer": "116 111", "jugendschutz.net": None},
    "DK": {"BørneTelefonen": "116 111"},
    "EE": {"Lasteabi": "116 111", "Vihjeliin": None},
    "ES": {"Teléfono ANAR": "900 20 20 10"},
    "FI": {"Lasten ja nuorten puhelin": "116 111"},
    "FR": {"3018": "3018", "119 – Allô enfance en danger": "119", "3114": "3114", "Point de Contact": None},
    "GB": {"Childline": "0800 1111", "Report Remove": None, "Internet Watch Foundation": None},
    "GR": {"SOS 1056": "1056", "116 111": "116 111"},
    "HR": {"Hrabri telefon": "116 111"},
    "HU": {"Kék Vonal": "116 111"},
    "IE": {"Childline": "1800 66 66 66"},
    "IN": {"Child Helpline 1098": "1098"},
    "IS": {"Hjálparsíminn 1717": "1717"},
    "IT": {"Telefono Azzurro": "19696", "114 Emergenza Infanzia": "114"},
    "JP": {"チャイルドライン": "0120-99-7777"},
    "KR": {"청소년전화 1388": "1388"},
    "LT": {"Vaikų linija": "116 111"},
    "LU": {"Kanner-Jugendtelefon": "116 111"},
    "LV": {"Uzticības tālrunis": "116 111"},
    "ME": {"116 111": "116 111"},
    "MT": {"Supportline 179": "179", "Childwebalert": None},
    "MX": {"Línea de la Vida": "800 911 2000"},
    "NL": {"De Kindertelefoon": "0800-0432"},
    "NO": {"Alarmtelefonen": "116 111"},
    "NZ": {"0800 What’s Up": "0800 942 8787", "Netsafe": "0508 638 723"},
    "PL": {"116 111": "116 111"},
    "PT": {"SOS-Criança": "116 111", "Linha Internet Segura": "800 21 90 90"},
    "RO": {"119": "119", "Telefonul Copilului": "116 111"},
    "SE": {"Bris": "116 111"},
    "SI": {"TOM telefon": "116 111"},
    "SK": {"Linka detskej istoty": "116 111"},
    "UG": {"Sauti 116": "116"},
    "US": {"NCMEC": "1-800-843-5678", "988 Lifeline": "988", "Take It Down": None},
    "ZA": {"Childline South Africa": "116"},
    "ZM": {"Childline 116": "116"},
    "ZW": {"Childline Zimbabwe": "116"},
    "EU": {"116 111": "116 111"},
    "ZZ": {"Child Helpline International": None, "INHOPE": None},
}  # fmt: skip
EMERGENCIES = {
    "911": "AR CA MX US",
    "112": "AT BE BG CH CY CZ DE DK EE ES FI FR GR HR HU IE IN IS IT LT LU LV MT NL NO PL PT RO SE SI SK EU",
    "000": "AU",
    "190": "BR",
    "123": "CO",
    "999": "GB",
    "111": "NZ",
}
#: The EU, its neighbours, and others that were asked for. A country of whose lines no page could be read is not here.
EXPECTED = (
    "AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE", "IT", "LV",
    "LT", "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE", "GB", "NO", "CH", "IS", "US",
    "CA", "AU", "NZ", "BR", "MX", "AR", "CO", "CL", "ZA", "IN", "JP", "KR",
)  # fmt: skip


def test_the_numbers_that_children_are_given():
    assert {country.code: {line.name: line.number for line in country.line} for country in countries()} == NUMBERS


def test_the_emergency_numbers():
    numbers = {country.code: country.emergency.number for country in countries() if country.emergency}
    assert numbers == {code: number for number, codes in EMERGENCIES.items() for code in codes.split()}


@pytest.mark.parametrize("region", EXPECTED)
@pytest.mark.parametrize("focus", ["general", "threat", "self-harm"])
def test_a_child_of_each_country_sees_somebody_to_call_there_first(region: str, focus: str):
    nearest = first_for(nearest_first(countries(), language="en", region=region), focus)[0]
    assert nearest.code == region
    assert nearest.line[0].number
    assert focus == "general" or focus in nearest.line[0].first_for


def test_the_list_of_a_country_stays_short_and_reports_come_last():
    for country in countries():
        numbers = [line.number is not None for line in country.line]
        assert len(numbers) <= 4, country.code
        assert country.code == "ZZ" or numbers == sorted(numbers, reverse=True), country.code


@pytest.mark.parametrize(
    ("region", "first", "line"),
    [
        (None, "EU", "116 111"),
        ("RS", "EU", "116 111"),
        ("UA", "EU", "116 111"),
        ("NG", "ZZ", "Child Helpline International"),
        ("PH", "ZZ", "Child Helpline International"),
    ],
)
def test_where_no_line_is_known_there_is_what_is_for_many(region: str | None, first: str, line: str):
    """Europe's number answers in Europe alone, so a child elsewhere is not sent there."""
    nearest = nearest_first(countries(), language="fr", region=region)[0]
    assert (nearest.code, nearest.line[0].name) == (first, line)


def test_every_source_is_a_page_that_was_read_on_a_day_and_no_code_comes_twice():
    codes = [country.code for country in countries()]
    assert len(set(codes)) == len(codes)
    assert codes == [*sorted(set(codes) - set(WIDE)), *WIDE]
    for country in countries():
        for seen in (*country.line, *([country.emergency] if country.emergency else [])):
            assert seen.read >= date(2026, 11, 24)
        assert all(line.also != line.source for line in country.line)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_names_are_in_the_readers_order(language: str):
    tongue = words(language)
    named = [tongue.text(country.name) for country in by_name(countries(), tongue)]
    assert len(named) == len(set(named)) == len(countries())
    if language == "fr":
        assert named.index("Estonie") < named.index("États-Unis") < named.index("Europe") < named.index("Finlande")


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
        ("en", "DE", "DE"),
        ("fr", "CH", "CH"),
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
    [
        {"web": "http://example.org"},
        {"web": 'https://a" onclick='},
        {"number": "12;34"},
        {"read": "soon"},
        {"more": 1},
        {"web": None},
        {"number": "116 111"},
    ],
)
def test_a_malformed_line_is_refused(wrong: dict):
    line = {"name": "A", "what": "b", "web": "https://example.org", "source": "https://example.org"}
    line |= {"read": "2026-11-24", "seen": "service"}
    assert msgspec.convert(line, Line)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"code": "FR", "name": "F", "languages": ["fr"], "line": [{**line, **wrong}]}, Country)

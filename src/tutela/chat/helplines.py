"""Who helps children, by country: `help.toml`, read and checked once."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib import resources
from typing import Annotated, Final, Literal

import msgspec

from tutela.language import Words

Telephone = Annotated[str, msgspec.Meta(pattern=r"^[0-9][0-9 -]{1,18}[0-9]\Z")]
Https = Annotated[str, msgspec.Meta(pattern=r"^https://[^\s<>\"]+\Z", max_length=300)]
Source = Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s<>\"]+\Z", max_length=300)]
#: What is for more than one country: Europe, and anywhere.
WIDE: Final = ("EU", "ZZ")
#: Countries of Europe that have no lines of their own here. Who is in one is shown Europe's.
_EUROPE: Final = frozenset({
    "AD", "AL", "AX", "BA", "BY", "FO", "GE", "GG", "GI", "GL", "IM", "JE", "LI", "MC", "MD", "MK",
    "RS", "SM", "TR", "UA", "VA", "XK",
})  # fmt: skip
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One helpline, hotline or service."""

    name: Text
    what: Text
    """What it offers, in English; the French is in the catalogue."""
    web: Https | None = None
    number: Telephone | None = None
    source: Source
    also: Source | None = None
    """A second page that was read, where `source` does not say all of this."""
    read: date
    first_for: tuple[Literal["threat", "self-harm"], ...] = ()
    """What it is shown first for."""
    seen: Literal["number", "service"]
    """What `source` states: the telephone number, or only that the service exists."""

    def __post_init__(self) -> None:
        """Refuse a line that nobody could reach, or whose number nobody saw."""
        if not (self.number or self.web) or (self.number and self.seen != "number"):
            raise ValueError(f"{self.name} has neither a number nor a website, or its number was not seen")

    @property
    def dial(self) -> str | None:
        """The number as a telephone dials it."""
        return "".join(filter(str.isdigit, self.number)) if self.number else None


class Emergency(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The number of the emergency services."""

    number: Telephone
    source: Source
    read: date


class Country(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A country (ISO 3166-1, with EU for the Union and ZZ for anywhere) and its lines."""

    code: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}\Z")]
    name: Text
    languages: tuple[Literal["en", "fr"], ...]
    emergency: Emergency | None = None
    line: tuple[Line, ...]


class _Help(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    country: tuple[Country, ...]


@lru_cache
def countries() -> tuple[Country, ...]:
    """Return all countries of `help.toml`, in its order."""
    data = resources.files("tutela.chat").joinpath("help.toml").read_bytes()
    return msgspec.toml.decode(data, type=_Help).country


def nearest_first(everywhere: Sequence[Country], *, language: str, region: str | None) -> list[Country]:
    """Order countries for one reader: the region their browser names, then what is for many, then by their language.

    Where the region is not known, or not among them, what is for many countries comes first: a language is spoken in
    more than one, and a child must not be sent to another country's helpline. Outside Europe that is what is for
    anywhere, since Europe's number does not answer there.
    """
    known = {country.code for country in everywhere}
    elsewhere = region is not None and region not in known | _EUROPE
    wide = tuple(reversed(WIDE)) if elsewhere else WIDE
    return sorted(
        everywhere,
        key=lambda country: (
            country.code != region,
            wide.index(country.code) if country.code in wide else len(wide),
            language not in country.languages,
        ),
    )


def first_for(everywhere: Sequence[Country], focus: str) -> list[Country]:
    """Order each country's lines: those for `focus` (`threat` or `self-harm`) first, else as they are."""
    return [
        msgspec.structs.replace(country, line=tuple(sorted(country.line, key=lambda line: focus not in line.first_for)))
        for country in everywhere
    ]


def by_name(some: Sequence[Country], words: Words) -> list[Country]:
    """Order countries by their names as one reader reads them, accents aside."""

    def plain(country: Country) -> str:
        letters = unicodedata.normalize("NFKD", words.text(country.name))
        return "".join(letter for letter in letters if not unicodedata.combining(letter)).casefold()

    return sorted(some, key=plain)


@dataclass(frozen=True)
class Call:
    """The number to call in danger. `here` where it is known to be that of the reader's country."""

    number: str
    here: bool


def emergency(everywhere: Sequence[Country], *, region: str | None) -> Call:
    """Return the emergency number of the region that the browser names, or Europe's where that is not known.

    Never another country's only because its language is spoken there.
    """
    known = {country.code: country.emergency.number for country in everywhere if country.emergency}
    return Call(known[region], here=True) if region in known else Call(known["EU"], here=False)

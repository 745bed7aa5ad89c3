"""Who helps children, by country: `help.toml`, read and checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib import resources
from typing import Annotated, Final, Literal

import msgspec

Telephone = Annotated[str, msgspec.Meta(pattern=r"^[0-9][0-9 -]{1,18}[0-9]\Z")]
Https = Annotated[str, msgspec.Meta(pattern=r"^https://[^\s<>\"]+\Z", max_length=300)]
Source = Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s<>\"]+\Z", max_length=300)]
#: What is for more than one country.
_WIDE: Final = ("EU", "ZZ")
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One helpline, hotline or service."""

    name: Text
    what: Text
    """What it offers, in English; the French is in the catalogue."""
    web: Https
    number: Telephone | None = None
    source: Source
    read: date
    first_for: tuple[Literal["threat", "self-harm"], ...] = ()
    """What it is shown first for."""
    seen: Literal["number", "service"]
    """What `source` states: the telephone number, or only that the service exists."""

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
    """Order countries for one reader: the region their browser names, then their language, then the others.

    Where the region is not known, or not among them, what is for many countries comes first: a language is spoken in
    more than one, and a child must not be sent to another country's helpline.
    """
    known = any(country.code == region for country in everywhere)
    return sorted(
        everywhere,
        key=lambda country: (
            country.code != region,
            not known and country.code not in _WIDE,
            language not in country.languages,
        ),
    )


def first_for(everywhere: Sequence[Country], focus: str) -> list[Country]:
    """Order each country's lines: those for `focus` (`threat` or `self-harm`) first, else as they are."""
    return [
        msgspec.structs.replace(country, line=tuple(sorted(country.line, key=lambda line: focus not in line.first_for)))
        for country in everywhere
    ]


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

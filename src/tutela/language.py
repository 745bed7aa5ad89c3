"""The words that users read, in their language (gettext; English is the source, French the first translation).

Text is marked with `N_` where it is written and translated with `Words.text` where it is shown, because one process
may speak to two people. Catalogues are in `locale/<language>/LC_MESSAGES/tutela.po`; the compiled `.mo` beside each
is committed, and a test recompiles it.
"""

from __future__ import annotations

import gettext
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final

LANGUAGES: Final = ("en", "fr")


def N_(text: str) -> str:  # noqa: N802 (gettext's customary name)
    """Mark `text` for translation and return it unchanged."""
    return text


@dataclass(frozen=True)
class Words:
    """The translations into one language."""

    language: str
    _catalogue: gettext.NullTranslations

    def text(self, source: str, /, **values: object) -> str:
        """Return `source` in this language, with `{name}` places filled from `values`."""
        translated = self._catalogue.gettext(source)
        return translated.format(**values) if values else translated

    def count(self, one: str, many: str, number: int, /, **values: object) -> str:
        """Return the form that fits `number`, which fills `{number}`."""
        return self._catalogue.ngettext(one, many, number).format(number=number, **values)


@lru_cache
def words(language: str) -> Words:
    """Return the words of `language` (a tag such as `fr` or `fr-CA`); unknown languages speak English."""
    base = language.lower().replace("_", "-").split("-")[0]
    if base not in LANGUAGES or base == "en":
        return Words("en", gettext.NullTranslations())
    compiled = resources.files("tutela") / "locale" / base / "LC_MESSAGES" / "tutela.mo"
    with compiled.open("rb") as file:
        return Words(base, gettext.GNUTranslations(file))

"""Every word that users read is translated, and the compiled catalogue is that of its source."""

from __future__ import annotations

import re
import string
import tomllib
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

from tutela.language import LANGUAGES, words

SOURCE = Path(__file__).parents[1] / "src/tutela"
CATALOGUE = SOURCE / "locale/fr/LC_MESSAGES/tutela"


def marked() -> set[str]:
    """Every text that is marked for translation: in code, in templates, in the help file, in the stages."""
    found = {
        message
        for _, _, message, _, _ in extract_from_dir(SOURCE, [("**.py", "python")], keywords={"N_": None})
        if isinstance(message, str)
    }
    for template in SOURCE.rglob("*.html"):
        with template.open("rb") as file:
            messages = [message for _, _, message, _ in babel_extract(file, ["t"], [], {"silent": "false"})]
        found |= {m[0] if isinstance(m, tuple) else m for m in messages} - {None}
    for country in tomllib.loads((SOURCE / "chat/help.toml").read_text())["country"]:
        found |= {country["name"], *(line["what"] for line in country["line"])}
    for stage in tomllib.loads((SOURCE / "signals/conversation/stages.toml").read_text())["stage"]:
        found |= {stage["name"], stage["reason"]}
    return found


@pytest.fixture(scope="module")
def french():
    with CATALOGUE.with_suffix(".po").open("rb") as file:
        return read_po(file, locale="fr")


def test_every_marked_text_is_translated(french):
    missing = sorted(text for text in marked() if not (french.get(text) and french.get(text).string))
    assert missing == []


def test_no_translation_is_left_over(french):
    texts = marked()
    assert sorted(m.id for m in french if m.id and m.id not in texts) == []


def test_translations_keep_their_places(french):
    def places(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

    for message in french:
        if message.id:
            ids = message.id if message.pluralizable else (message.id,)
            strings = message.string if message.pluralizable else (message.string,)
            assert {frozenset(places(s)) for s in strings} <= {frozenset(places(i)) for i in ids}, message.id
            assert not any(re.search(r"\S [?!;:]", s) for s in strings), f"a no-break space is missing: {message.id}"


def test_the_compiled_catalogue_is_current(french):
    with CATALOGUE.with_suffix(".mo").open("rb") as file:
        compiled = read_mo(file)
    texts = {m.id: m.string for m in french if m.id and m.string}
    assert texts == {m.id: m.string for m in compiled if m.id}, "run: make words"


@pytest.mark.parametrize(
    ("tag", "language"),
    [("fr", "fr"), ("fr-CA", "fr"), ("FR_ca", "fr"), ("en-GB", "en"), ("nl", "en"), ("", "en"), ("../etc", "en")],
)
def test_language_tags(tag: str, language: str):
    assert words(tag).language == language
    assert language in LANGUAGES

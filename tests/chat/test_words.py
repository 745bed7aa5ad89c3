"""Every text that the page can show has its French."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from babel.messages.extract import extract_from_dir
from jinja2.ext import babel_extract

import tutela.chat
from tutela.language import words

ROOM = Path(tutela.chat.__file__).parent
PLACES = re.compile(r"{\w+}")


def texts() -> set[str]:
    """All source texts: in modules, in templates, in the help file."""
    found = {
        message
        for _, _, message, _, _ in extract_from_dir(ROOM, [("**.py", "python")], keywords={"N_": None})
        if isinstance(message, str)
    }
    for template in (ROOM / "templates").glob("*.html"):
        with template.open("rb") as file:
            messages = [message for _, _, message, _ in babel_extract(file, ["t"], [], {"silent": "false"})]
        # With values the message comes first in a tuple; `None` stands for a text that is a variable.
        found |= {m[0] if isinstance(m, tuple) else m for m in messages} - {None}
    help_file = tomllib.loads((ROOM / "help.toml").read_text())
    for country in help_file["country"]:
        found |= {country["name"], *(line["what"] for line in country["line"])}
    return found


def test_every_text_has_its_french():
    french = words("fr")
    names = {"Europe", "Messages", "{weekday} {day} {month}", "{day} {month} {year}"}
    names |= {"Canada", "France", "Luxembourg", "Portugal", "Zimbabwe"}
    untranslated = {text for text in texts() - names if french.text(text) == text}
    assert len(texts()) > 100
    assert untranslated == set()


def test_places_survive_translation():
    """A translation that forgets `{name}`, or invents one, would break the page."""
    french = words("fr")
    wrong = {text for text in texts() if set(PLACES.findall(text)) != set(PLACES.findall(french.text(text)))}
    assert wrong == set()

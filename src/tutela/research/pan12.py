"""The PAN-2012 corpus for sexual predator identification: an XML file of conversations and a file of predators' ids.

Format: the readme of the corpus (Inches and Crestani, CLEF 2012). Times are `HH:MM` without a date and may run over
midnight; entities are escaped more than once; e-mail addresses stand as an element inside the text. The corpus's
`diff` file is no label. Read as a stream: the test file has over 150,000 conversations.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import iterparse

from tutela.research.chats import Chat, Turn
from tutela.research.errors import BadCorpus

_CLOCK = re.compile(r"^(\d{1,2}):(\d{2})")
_DAY = 86_400_000


def read_predators(path: Path) -> frozenset[str]:
    """Return the ids of the predators, one a line. Raises `BadCorpus`."""
    try:
        ids = frozenset(line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    except UnicodeDecodeError as error:
        raise BadCorpus(f"{path.name} is not a text file in UTF-8.") from error
    if not ids or any(len(one.split()) != 1 for one in ids):
        raise BadCorpus(f"{path.name} is not a list of author ids, one a line.", hint="Give the file …predators….txt.")
    return ids


def read_pan12(path: Path, predators: frozenset[str]) -> Iterator[Chat]:
    """Yield the conversations of a PAN-2012 file. Raises `BadCorpus` where it is no such file."""
    number = 0
    try:
        for _, element in iterparse(str(path), events=("end",), forbid_dtd=True):
            if element.tag != "conversation":
                continue
            number += 1
            yield _chat(element, predators, path.name, number)
            element.clear()
    except ParseError as error:
        raise BadCorpus(f"{path.name} is not well-formed XML after {number} conversations: {error}.") from error
    except ValueError as error:  # defusedxml: a document type, an entity
        raise BadCorpus(f"{path.name} declares a document type or entities, which PAN-2012 files do not.") from error
    if not number:
        raise BadCorpus(f"{path.name} holds no <conversation>.", hint="Give the corpus file of PAN-2012, unpacked.")


def _chat(element: Element, predators: frozenset[str], name: str, number: int) -> Chat:
    turns: list[Turn] = []
    last = 0
    for message in element.iter("message"):
        author = (message.findtext("author") or "").strip()
        if not author:
            raise BadCorpus(f"{name}: a message of conversation {number} has no author.")
        body = message.find("text")
        time = _time((message.findtext("time") or "").strip(), last)
        last = time if time is not None else last
        turns.append(Turn(author, unescaped("".join(body.itertext())) if body is not None else "", time))
    suspects = frozenset(turn.author for turn in turns) & predators
    return Chat(
        element.get("id") or str(number), tuple(turns), bool(suspects), suspects, group=min(suspects, default="")
    )


def _time(text: str, last: int) -> int | None:
    clock = _CLOCK.match(text)
    if clock is None:
        return None
    minutes = (int(clock[1]) * 60 + int(clock[2])) * 60_000
    return minutes + (_DAY * (1 + (last - minutes) // _DAY) if minutes < last - _DAY // 2 else 0)


def unescaped(text: str) -> str:
    """Undo repeated escaping of entities, at most three times."""
    for _ in range(3):
        plain = html.unescape(text)
        if plain == text:
            break
        text = plain
    return text.replace("\r", "").strip()

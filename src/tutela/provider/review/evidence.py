"""What a reported message says, read so that nothing in it can act. Pure.

The content is what a stranger wrote: everything taken from it is text, bounded, and shown as text. What a client would
have shown and the plain text does not say (formatted text, a caption) is brought along, so that nobody can hide words
from a reviewer that they showed to a child. A part that no client shows is not parsed further.
"""

from __future__ import annotations

import enum
import html
import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from tutela.wire.report import MessageEvidence

#: Characters of one message that a page shows among many.
SHOWN: Final = 4000
#: And where it is looked at by itself: all that a report can hold.
WHOLE: Final = 1 << 16
#: Of a file's name or type.
_NAME: Final = 255


class SaidKind(enum.StrEnum):
    """What kind of message it is, as its sender called it."""

    TEXT = "text"
    PICTURE = "picture"
    VIDEO = "video"
    AUDIO = "audio"
    FILE = "file"
    PLACE = "place"
    OTHER = "other"
    """Not a message with text: its content is shown as it is."""


_KINDS: Final = {
    "m.text": SaidKind.TEXT,
    "m.notice": SaidKind.TEXT,
    "m.emote": SaidKind.TEXT,
    "m.image": SaidKind.PICTURE,
    "m.sticker": SaidKind.PICTURE,
    "m.video": SaidKind.VIDEO,
    "m.audio": SaidKind.AUDIO,
    "m.file": SaidKind.FILE,
    "m.location": SaidKind.PLACE,
}
_FILES: Final = frozenset({SaidKind.PICTURE, SaidKind.VIDEO, SaidKind.AUDIO, SaidKind.FILE})


@dataclass(frozen=True)
class Said:
    """What one message says. All of it is text of a stranger's."""

    kind: SaidKind
    text: str
    formatted: str = ""
    """What a client shows instead of `text`, where it says something else."""
    filename: str = ""
    media_type: str = ""
    """As the sender says."""
    shortened: bool = False
    """Whether there is more of it."""


def said(evidence: MessageEvidence, shown: int = SHOWN) -> Said:
    """Return what a message says, at most `shown` characters of it; content that is none is shown as it is."""
    found = _said(evidence)
    shortened = len(found.text) > shown or len(found.formatted) > shown
    return replace(found, text=found.text[:shown], formatted=found.formatted[:shown], shortened=shortened)


def _said(evidence: MessageEvidence) -> Said:
    content = _object(evidence.content)
    # Of any other type a client shows something else than the body: of a reaction, its key.
    called = _text(content, "msgtype") if evidence.type == "m.room.message" else evidence.type
    kind = _KINDS.get(called, SaidKind.OTHER)
    body = _text(content, "body")
    if kind is SaidKind.OTHER or not isinstance(content.get("body"), str) or not _is_read(content):
        return _made(SaidKind.OTHER, evidence.content)
    if kind is SaidKind.PLACE:
        return _made(kind, f"{body}\n{_text(content, 'geo_uri')}".strip())
    if kind not in _FILES:
        return _made(kind, body, _instead(content))
    # With a name of its own, the body is a caption.
    name = _text(content, "filename")
    caption = body if name and name != body else ""
    media_type = _text(_inner(content, "info"), "mimetype")
    return _made(kind, caption, _instead(content, captioned=bool(caption)), name or body, media_type)


@dataclass(frozen=True)
class Piece:
    """Part of a text: what is written, or, where `hidden`, the name of a character that would not be seen."""

    text: str
    hidden: bool = False


#: Characters that change how others are shown, or are not shown themselves: they must not deceive. Joiners, which
#: scripts and emoji need, and line ends and tabs stay what they are.
_HIDDEN: Final = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffc\ufffe\uffff\ud800-\udfff\ue000-\uf8ff"
    "\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
#: More marks than these upon one letter are there to cover other lines.
_MARKS: Final = 4


def pieces(text: str) -> tuple[Piece, ...]:
    """Return `text` in parts, each of its unseen or deceptive characters a part of its own, by name."""
    text = _few_marks(text)
    parts: list[Piece] = []
    end = 0
    for match in _HIDDEN.finditer(text):
        if match.start() > end:
            parts.append(Piece(text[end : match.start()]))
        parts.append(Piece(f"U+{ord(match.group()):04X}", hidden=True))
        end = match.end()
    if end < len(text):
        parts.append(Piece(text[end:]))
    return tuple(parts)


def _few_marks(text: str) -> str:
    if text.isascii():
        return text
    kept: list[str] = []
    marks = 0
    for letter in text:
        marks = marks + 1 if unicodedata.category(letter) in ("Mn", "Me") else 0
        if marks <= _MARKS:
            kept.append(letter)
    return "".join(kept)


def _made(kind: SaidKind, text: str, formatted: str = "", filename: str = "", media_type: str = "") -> Said:
    if _plain(formatted) == _plain(text):
        formatted = ""
    return Said(kind, text, formatted, filename[:_NAME], media_type[:_NAME])


def _plain(text: str) -> str:
    return "".join(text.split())


def _object(content: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(content)
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _inner(content: dict[str, Any], name: str) -> dict[str, Any]:
    found = content.get(name)
    return found if isinstance(found, dict) else {}


def _text(content: dict[str, Any], name: str) -> str:
    found = content.get(name)
    return found if isinstance(found, str) else ""


#: In one pass, whatever it is: an HTML parser can be made to take long. What is no tag stays and is seen.
_TAG: Final = re.compile(r"<([^<>]*)>")
_LINE: Final = re.compile(r"/?(?:br|p|li|div|tr|h[1-6])\b", re.IGNORECASE)
_LINK: Final = re.compile(r"""\b(?:href|src|alt|title)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)


def _is_read(content: dict[str, Any]) -> bool:
    """Whether all that a client shows of a message is read here: of one that takes another's place, only text is."""
    return _text(_new(content), "msgtype") in ("", *(name for name, kind in _KINDS.items() if kind is SaidKind.TEXT))


def _instead(content: dict[str, Any], *, captioned: bool = True) -> str:
    """Return what a client shows instead of the body: formatted text, and of an edit the new text."""
    new = _new(content)
    shown = (_formatted(content) if captioned else "", _text(new, "body"), _formatted(new))
    return "\n".join(filter(None, shown))


def _new(content: dict[str, Any]) -> dict[str, Any]:
    return _inner(content, "m.new_content")


def _formatted(content: dict[str, Any]) -> str:
    """Return the words of formatted text; where a link leads is part of what it says."""
    return html.unescape(_TAG.sub(_words_of_tag, _text(content, "formatted_body"))).strip()


def _words_of_tag(tag: re.Match[str]) -> str:
    links = ["".join(filter(None, found)) for found in _LINK.findall(tag.group(1))]
    return f" {' '.join(links)} " if links else "\n" if _LINE.match(tag.group(1)) else ""

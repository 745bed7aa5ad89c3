"""Any corpus by its file: which format it has, and its chats one by one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tutela.research.chats import Chat, Turn
from tutela.research.errors import BadCorpus
from tutela.research.espd import read_datapack
from tutela.research.pan12 import read_pan12, read_predators
from tutela.research.scripts import parse_scripts
from tutela.research.segments import read_segments

#: What a file name ends in, and what that is.
FORMATS = {
    ".xml": "PAN-2012, with its predators file",
    ".csv": "segments and labels",
    ".json": "an eSPD datapack",
    ".jsonl": "one chat a line, as `tutela conversation generate` writes them",
    ".dialogues": "scripts with alternatives",
}


class _Turn(msgspec.Struct, omit_defaults=True):
    author: str
    text: str
    time: float | None = None
    stage: str | None = None


class _Line(msgspec.Struct, omit_defaults=True):
    id: str
    messages: list[_Turn]
    approach: bool = False
    suspects: list[str] = []
    language: str = ""
    kind: str = ""
    group: str = ""
    authors_known: bool = True


def read_corpus(path: Path, *, predators: Path | None = None, language: str = "", variants: int = 1) -> Iterator[Chat]:
    """Yield the chats of a file. `variants` conversations are made from each script. Raises `BadCorpus`."""
    if not path.is_file():
        raise BadCorpus(f"There is no file {path}.")
    kind = path.suffix.lower()
    if kind == ".xml":
        yield from read_pan12(path, read_predators(predators or _predators_beside(path)))
    elif kind == ".csv":
        yield from read_segments(path, language=language)
    elif kind == ".json":
        yield from read_datapack(path)
    elif kind == ".jsonl":
        yield from _lines(path, language)
    elif kind == ".dialogues":
        rng = random.Random(path.stem)  # noqa: S311 (no secret; the same file gives the same conversations)
        for script in parse_scripts(path.read_text(encoding="utf-8"), source=path.name):
            for number in range(variants):
                yield script.chat(rng, number)
    else:
        known = "; ".join(f"{end} ({what})" for end, what in FORMATS.items())
        raise BadCorpus(f"{path.name} is of no known format.", hint=f"Known are {known}.")


def _predators_beside(path: Path) -> Path:
    beside = [one for one in sorted(path.parent.glob("*.txt")) if "predators" in one.name or "problem1" in one.name]
    if len(beside) != 1:
        raise BadCorpus(
            f"{path.name} needs its file of predators, and {len(beside)} such files are beside it.",
            hint="Name it: --predators FILE.",
        )
    return beside[0]


def _lines(path: Path, language: str) -> Iterator[Chat]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                one = msgspec.json.decode(line, type=_Line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise BadCorpus(f"{path.name}, line {number}: {error}.") from error
            turns = tuple(
                Turn(t.author, t.text, None if t.time is None else int(t.time), t.stage) for t in one.messages
            )
            suspects = frozenset(one.suspects)
            yield Chat(
                one.id, turns, one.approach, suspects, one.language or language, one.kind, one.group, one.authors_known
            )


def encode_line(chat: Chat) -> bytes:
    """Return a chat as one line of JSON."""
    turns = [_Turn(turn.author, turn.text, turn.time, turn.stage) for turn in chat.turns]
    line = _Line(
        chat.id, turns, chat.approach, sorted(chat.suspects), chat.language, chat.kind, chat.group, chat.authors_known
    )
    return msgspec.json.encode(line) + b"\n"

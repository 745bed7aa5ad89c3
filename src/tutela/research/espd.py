"""The datapacks of Vogt, Leser and Akbik (ACL 2021) for early detection: one JSON file of chats.

Format: the published makers of the datapacks PAN12, ChatCoder2 and PANC. `content` holds `null` for skipped lines,
separators between segments, and messages; `time` may be missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tutela.research.chats import Chat, Turn
from tutela.research.errors import BadCorpus


class _Message(msgspec.Struct):
    type: str
    author: str = ""
    body: str | None = None
    time: float | str | None = None
    is_from_predator: bool | None = msgspec.field(default=None, name="isFromPredator")


class _Chat(msgspec.Struct):
    class_name: str = msgspec.field(name="className")
    content: list[_Message | None]


class _Datapack(msgspec.Struct):
    chats: dict[str, _Chat]
    id: Any = msgspec.field(default=None, name="datapackID")


def read_datapack(path: Path, *, by_segment: bool = True) -> Iterator[Chat]:
    """Yield the chats of a datapack, cut at its separators. Raises `BadCorpus`."""
    try:
        pack = msgspec.json.decode(path.read_bytes(), type=_Datapack)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadCorpus(f"{path.name} is not an eSPD datapack: {error}.") from error
    for name, chat in pack.chats.items():
        if chat.class_name not in ("predator", "non-predator"):
            raise BadCorpus(
                f"{path.name}: a chat has the class “{chat.class_name[:40]}”; predator or non-predator is read."
            )
        parts: list[list[_Message]] = [[]]
        for entry in chat.content:
            if entry is not None and entry.type == "separator" and by_segment:
                parts.append([])
            elif entry is not None and entry.type == "message" and entry.body:
                parts[-1].append(entry)
        full = [part for part in parts if part]
        for number, part in enumerate(full):
            yield _chat(name if len(full) == 1 else f"{name}-{number}", name, part, chat.class_name == "predator")


def _chat(name: str, group: str, messages: list[_Message], approach: bool) -> Chat:
    turns = tuple(
        Turn(m.author, m.body or "", int(m.time) if isinstance(m.time, float | int) else None) for m in messages
    )
    suspects = frozenset(m.author for m in messages if m.is_from_predator) if approach else frozenset()
    return Chat(
        name,
        turns,
        approach,
        suspects or (frozenset(t.author for t in turns) if approach else frozenset()),
        group=group,
    )

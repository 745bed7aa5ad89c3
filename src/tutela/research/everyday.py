"""Everyday chats: ordinary talk of every kind, on which the guard learns to stay silent.

`synthesis/everyday/*.txt`: blocks of messages in which two people take turns, a message a line, with alternatives as in
scripts. A line that begins with `#` says who writes.
"""

from __future__ import annotations

from dataclasses import dataclass

from tutela.signals.conversation.shipped_files import texts


@dataclass(frozen=True)
class Talk:
    """One ordinary conversation: its messages, of two people in turn."""

    language: str
    group: str
    messages: tuple[str, ...]


def parse_everyday(text: str, *, language: str, group: str) -> list[Talk]:
    """Read a file of everyday chats; a block of fewer than two messages is none."""
    lines = (line.strip() for line in text.splitlines() if not line.startswith("#"))
    blocks: list[list[str]] = [[]]
    for line in lines:
        if line:
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return [Talk(language, group, tuple(block)) for block in blocks if len(block) > 1]


def shipped_everyday() -> list[Talk]:
    """Return the everyday chats that ship."""
    files = texts("tutela.research.synthesis", "everyday", ".txt")
    return [
        talk
        for name, text in files
        for talk in parse_everyday(text, language=name.partition("-")[0], group=name.removesuffix(".txt"))
    ]

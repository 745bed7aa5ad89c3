"""A labelled conversation, whatever corpus it comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Turn:
    """One message. `stage` is the truth about a synthetic one; `time` is in milliseconds, where the corpus has it."""

    author: str
    text: str
    time: int | None = None
    stage: str | None = None


@dataclass(frozen=True)
class Chat:
    """A conversation with its label.

    `suspects` are the authors whose behaviour is an approach; an empty set makes it harmless. Where a corpus has no
    authors (`authors_known` false), the turns are pieces of a text in which nobody knows who spoke.
    """

    id: str
    turns: tuple[Turn, ...]
    approach: bool
    suspects: frozenset[str] = frozenset()
    language: str = ""
    kind: str = ""
    """The kind of conversation, such as `parent`, where the corpus says."""
    group: str = ""
    """Whose style it is: chats of one group are not independent."""
    authors_known: bool = True

    @property
    def authors(self) -> tuple[str, ...]:
        """Return the authors in order of appearance."""
        return tuple(dict.fromkeys(turn.author for turn in self.turns))

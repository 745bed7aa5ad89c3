"""The final test's scripts can be read. What is in them is not looked at here, nor anywhere but in the measurement."""

from __future__ import annotations

from pathlib import Path

from tutela.research.corpora import read_corpus

FINAL = Path(__file__).parents[2] / "benchmarks" / "conversation_final"


def test_the_final_scripts_can_be_read():
    chats = [chat for path in sorted(FINAL.glob("*.dialogues")) for chat in read_corpus(path)]
    assert len(chats) == 330
    assert sum(chat.approach for chat in chats) == 90
    assert len({chat.group for chat in chats}) == 30
    assert {chat.language for chat in chats} == {"en", "fr", "es", "de", "nl", "pt", "it"}
    assert all(chat.approach == bool(chat.suspects) for chat in chats)

"""The conversation guard over JSON-RPC: every method, and what is not one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from signals.conversation.reading import reader
from tutela.device.conversation import ConversationGuard
from tutela.device.profile import Profile
from tutela.device.rpc_conversations import METHODS

WHERE = {"room": "!r:x", "person": "@b:x"}
LINES = ("how old are u", "dont tell your mum", "are you alone", "add me on snapchat", "send me a picture")


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[ConversationGuard]:
    with Profile(tmp_path / "profile", bytes(32)) as profile:
        yield ConversationGuard(profile, reader=reader())


def received(guard: ConversationGuard, **more: Any) -> list[Any]:
    return [
        METHODS["message_received"](guard, WHERE | {"id": f"${i}", "text": line, "time": i * 60_000} | more)
        for i, line in enumerate(LINES)
    ]


def test_a_client_in_any_language_is_told_what_to_show(guard: ConversationGuard) -> None:
    told = [one for one in received(guard, language="fr", hour=17) if one is not None]
    assert told[-1]["level"] in ("nudge", "warning")
    assert set(told[-1]) == {"level", "focus", "title", "text", "reasons", "choices", "evidence"}
    again = METHODS["conversation_advice"](guard, WHERE | {"language": "en"})
    assert again["evidence"] == told[-1]["evidence"]
    METHODS["conversation_forget"](guard, {"room": "!r:x"})
    assert METHODS["conversation_advice"](guard, WHERE) is None


def test_a_card_waits_for_its_answer(guard: ConversationGuard) -> None:
    level = [one for one in received(guard) if one is not None][-1]["level"]
    assert METHODS["conversation_unanswered"](guard, WHERE | {"language": "fr"})["level"] == level
    assert METHODS["conversation_answered"](guard, WHERE | {"level": level}) is None
    assert METHODS["conversation_unanswered"](guard, WHERE) is None


def test_a_person_is_known_in_their_next_direct_room(guard: ConversationGuard) -> None:
    received(guard, direct=True)
    asked = {"room": "!next:x", "person": "@b:x", "id": "$next", "text": "are you alone", "time": 10**6}
    told = METHODS["message_received"](guard, asked | {"direct": True})
    assert told["level"] in ("nudge", "warning")
    assert "Some of it was in another chat with the same person." in told["reasons"]
    assert told["evidence"] == ["$next"]
    METHODS["message_sent"](guard, asked | {"id": "$own", "text": "no", "direct": True})


def test_the_pause_before_sending(guard: ConversationGuard) -> None:
    pauses = []
    for i, line in enumerate((*LINES, "ill show everyone")):
        pauses.append(METHODS["message_sending"](guard, WHERE | {"text": line, "time": i}))
        assert METHODS["message_sent"](guard, WHERE | {"id": f"${i}", "text": line, "time": i}) is None
    assert pauses[0] is None
    assert set(pauses[-1]) == {"title", "text", "choices"}


def test_settings_are_changed_one_by_one(guard: ConversationGuard) -> None:
    change = METHODS["conversation_settings"]
    first = change(guard, {})
    assert first == {
        "group": "teen", "lowest": None, "speaks_for_sender": True, "jurisdiction": None, "shown_from": "tip",
    }  # fmt: skip
    assert change(guard, {"group": "adult"})["shown_from"] == "nudge"
    assert change(guard, {"lowest": "quiet", "jurisdiction": "FR"})["shown_from"] is None
    after = change(guard, {"speaks_for_sender": False})
    assert (after["group"], after["jurisdiction"]) == ("adult", "FR")
    assert received(guard) == [None] * len(LINES)


def test_a_draft_to_somebody_trusted(guard: ConversationGuard) -> None:
    assert METHODS["conversation_trusted_draft"](guard, {"language": "fr"})["text"]


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("message_received", {}),
        ("message_received", WHERE | {"id": "", "text": "x", "time": 0}),
        ("message_received", WHERE | {"id": "$1", "text": 7, "time": 0}),
        ("message_received", WHERE | {"id": "$1", "text": "x", "time": -1}),
        ("message_received", WHERE | {"id": "$1", "text": "x", "time": 0, "hour": 24}),
        ("message_received", WHERE | {"id": "$1", "text": "x", "time": 0, "age": 12}),
        ("conversation_settings", {"group": "parent"}),
        ("conversation_settings", {"lowest": "loud"}),
        ("conversation_settings", {"jurisdiction": "fr"}),
        ("conversation_answered", WHERE | {"level": "loud"}),
        ("conversation_forget", {}),
    ],
)
def test_params_of_another_form_are_refused(guard: ConversationGuard, method: str, params: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        METHODS[method](guard, params)

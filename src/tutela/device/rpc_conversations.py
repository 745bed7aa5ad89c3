"""The conversation guard over JSON-RPC: messages come in, words for the user go back to the client and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import msgspec

from tutela.device.conversation import AgeGroup, ConversationGuard, Settings, trusted_message
from tutela.language import words
from tutela.signals.conversation.decision import Level
from tutela.signals.conversation.message import Message, Side

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
_Time = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
_Hour = Annotated[int, msgspec.Meta(ge=0, le=23)]


class _Params(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    pass


class _Message(_Params):
    room: _Id
    person: _Id
    id: _Id
    text: str
    time: _Time
    hour: _Hour | None = None
    direct: bool = False
    language: str = "en"


class _Draft(_Params):
    room: _Id
    person: _Id
    text: str
    time: _Time
    language: str = "en"


class _Conversation(_Params):
    room: _Id
    person: _Id
    language: str = "en"


class _Answer(_Params):
    room: _Id
    person: _Id
    level: str


class _Room(_Params):
    room: _Id


class _Settings(_Params):
    group: AgeGroup | None = None
    lowest: str | None = None
    speaks_for_sender: bool | None = None
    jurisdiction: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}\Z")] | None = None


class _Language(_Params):
    language: str = "en"


def _received(guard: ConversationGuard, params: Mapping[str, Any]) -> dict[str, Any] | None:
    asked = msgspec.convert(params, _Message)
    advice = guard.received(asked.room, asked.person, _message(asked, Side.OTHER), direct=asked.direct)
    return advice.facts(words(asked.language)) if advice else None


def _sending(guard: ConversationGuard, params: Mapping[str, Any]) -> dict[str, Any] | None:
    asked = msgspec.convert(params, _Draft)
    pause = guard.sending(asked.room, asked.person, asked.text, asked.time)
    return pause.facts(words(asked.language)) if pause else None


def _sent(guard: ConversationGuard, params: Mapping[str, Any]) -> None:
    asked = msgspec.convert(params, _Message)
    guard.sent(asked.room, asked.person, _message(asked, Side.OWN), direct=asked.direct)


def _advice(guard: ConversationGuard, params: Mapping[str, Any]) -> dict[str, Any] | None:
    asked = msgspec.convert(params, _Conversation)
    advice = guard.advice(asked.room, asked.person)
    return advice.facts(words(asked.language)) if advice else None


def _unanswered(guard: ConversationGuard, params: Mapping[str, Any]) -> dict[str, Any] | None:
    asked = msgspec.convert(params, _Conversation)
    advice = guard.unanswered(asked.room, asked.person)
    return advice.facts(words(asked.language)) if advice else None


def _answered(guard: ConversationGuard, params: Mapping[str, Any]) -> None:
    asked = msgspec.convert(params, _Answer)
    guard.answer(asked.room, asked.person, _level(asked.level))


def _forget(guard: ConversationGuard, params: Mapping[str, Any]) -> None:
    guard.forget(msgspec.convert(params, _Room).room)


def _settings(guard: ConversationGuard, params: Mapping[str, Any]) -> dict[str, Any]:
    asked = msgspec.convert(params, _Settings)
    before = guard.settings
    given = {name: value for name in asked.__struct_fields__ if (value := getattr(asked, name)) is not None}
    if asked.lowest is not None:
        given["lowest"] = _level(asked.lowest)
    after: Settings = msgspec.structs.replace(before, **given)
    if after != before:
        guard.change(after)
    shown = guard.lowest
    return {
        "group": after.group.value,
        "lowest": None if after.lowest is None else after.lowest.word,
        "speaks_for_sender": after.speaks_for_sender,
        "jurisdiction": after.jurisdiction,
        "shown_from": None if shown is None else shown.word,
    }


def _draft(guard: ConversationGuard, params: Mapping[str, Any]) -> dict[str, Any]:
    return {"text": trusted_message(words(msgspec.convert(params, _Language).language))}


def _level(word: str) -> Level:
    found = {level.word: level for level in Level}.get(word)
    if found is None:
        raise msgspec.ValidationError(f"a level is one of {', '.join(level.word for level in Level)}")
    return found


def _message(asked: _Message, side: Side) -> Message:
    return Message(asked.id, side, asked.text, asked.time, asked.hour)


METHODS: Final[Mapping[str, Callable[[ConversationGuard, Mapping[str, Any]], Any]]] = {
    "message_received": _received,
    "message_sending": _sending,
    "message_sent": _sent,
    "conversation_advice": _advice,
    "conversation_unanswered": _unanswered,
    "conversation_answered": _answered,
    "conversation_forget": _forget,
    "conversation_settings": _settings,
    "conversation_trusted_draft": _draft,
}

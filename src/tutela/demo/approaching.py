"""The scene in which somebody approaches Mia, and her device speaks to her in time. The words are harmless."""

from __future__ import annotations

import asyncio
from typing import Final

from tutela.demo.errors import expect
from tutela.demo.stage import Person, Stage
from tutela.demo.watching import stored
from tutela.device.conversation.advice import choice_label
from tutela.integrations.matrix.timeline import ConversationAdvice, TextMessage
from tutela.language import words
from tutela.signals.conversation.decision import Level

#: What Sam writes, and what Mia answers. What he asks for comes last, in the next scene but one.
LINES: Final = (
    ("hey, saw you in the game yesterday, you play really well", "thanks :)"),
    ("how old are you?", "13"),
    ("cool, you seem so mature for your age. not like other kids", "haha ok"),
    ("are your parents home?", "my mum is at work"),
    ("do you have snapchat? lets talk there, its more private", "maybe"),
    ("but dont tell your parents about us ok? they wouldnt understand", None),
)


async def approach(stage: Stage) -> list[str]:
    """Somebody follows the known pattern, line by line, until the child's device speaks."""
    mia, sam = stage.people["mia"], stage.people["sam"]
    requests, before, written = len(stage.records), await asyncio.to_thread(stored, stage.homeserver.database), 0
    lines = []
    told: ConversationAdvice | None = None
    for said, answer in LINES:
        event_id = await sam.client.send_text(stage.other_room_id, said)
        await mia.wait_for(TextMessage, event_id)
        written += 1
        lines.append(f"Sam: “{said}”" + (f"  Mia: “{answer}”" if answer else ""))
        told = _newest(mia) or told
        if told is not None and told.advice.level >= Level.NUDGE:
            break
        if answer is not None:
            await mia.client.send_text(stage.other_room_id, answer)
            written += 1
    expect(told is not None and told.advice.level >= Level.NUDGE, "Mia is nudged before anything is asked of her")
    assert told is not None
    expect(not any(isinstance(event, ConversationAdvice) for event in sam.shown), "Sam is shown nothing of it")
    expect(len(stage.records) == requests, "the provider was asked nothing and told nothing")
    await asyncio.sleep(0.2)  # what a device might send by itself, it would send now
    after = await asyncio.to_thread(stored, stage.homeserver.database)
    expect(after == before | {"messages": before["messages"] + written}, "the homeserver got the messages and no more")
    english = words("en")
    advice = told.advice
    return [
        *lines,
        f"Mia's device, to Mia alone: “{advice.title(english)}. {' '.join(advice.told_reasons(english))} "
        f"{advice.text(english)}”",
        "She can choose: " + ", ".join(f"“{choice_label(choice, english)}”" for choice in advice.choices) + ".",
        "The provider got no request, and the homeserver nothing but the encrypted messages themselves.",
    ]


def _newest(person: Person) -> ConversationAdvice | None:
    return next((event for event in reversed(person.shown) if isinstance(event, ConversationAdvice)), None)

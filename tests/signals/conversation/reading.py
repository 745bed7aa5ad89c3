"""A small lexicon and reader for tests, so that they do not change with the language files."""

from __future__ import annotations

import numpy as np

from tutela.research.training import prior
from tutela.signals.conversation.concepts import Concepts
from tutela.signals.conversation.conversation import Conversation, Reader
from tutela.signals.conversation.features import names
from tutela.signals.conversation.language_file import parse_language
from tutela.signals.conversation.lexicon import Lexicon
from tutela.signals.conversation.message import Message, Side
from tutela.signals.conversation.model import Calibration, Model, Thresholds
from tutela.signals.conversation.subwords import BUCKETS
from tutela.signals.conversation.tagger import KNOWN, Tagger, labels

FILE = """
language = "en"
name = "English"
reviewed = 2026-11-24
questions = ["how", "where"]
quoting = ["if (someone|anybody) (asks|says)"]
[sets]
you = "you|u"
[spelling]
ur = "your"
pics = "picture"
[ages]
stated = ["im #", "i am #"]
[signals.asks-age]
phrases = ["how old are <you>"]
[signals.hide-from-parents]
phrases = ["(dont|do not) tell your mum"]
unless = ["surprise"]
[signals.who-is-home]
phrases = ["are <you> alone", "whos home"]
[signals.other-service]
phrases = ["add me on *snap*", "kik"]
[signals.asks-picture]
phrases = ["send .. picture"]
[signals.share-threat]
phrases = ["ill show everyone"]
[signals.compliments]
phrases = ["<you> are (cute|sweet)"]
[signals.refuses]
phrases = ["leave me alone"]
[signals.calls-family]
phrases = ["ok mum"]
""".replace("*snap*", "snap*")


class English:
    """Takes everything for English."""

    def probabilities(self, text: str) -> dict[str, float]:
        return {"en": 1.0}


def model() -> Model:
    believed = prior()
    weights = {name: float(weight) for name, weight in zip(names(), believed.weights(), strict=True)}
    return Model(
        "tutela conversation model v1",
        "tests",
        believed.bias,
        weights,
        Calibration(1.0, 0.0),
        Thresholds(-4.0, -2.0, 1.0),
    )


def silent() -> Tagger:
    """A tagger that hears nothing."""
    width = len(labels())
    bias = np.full(width, -20, np.float32)
    bias[labels().index(KNOWN)] = 0
    return Tagger(np.zeros((BUCKETS, width), np.int8), np.zeros(width, np.float32), bias, Concepts({}))


LOUD_TABLE = np.random.default_rng(14).integers(-127, 128, (BUCKETS, len(labels())), np.int8)


def loud() -> Tagger:
    """A tagger that hears something in every message: its table is drawn at random."""
    width = len(labels())
    return Tagger(LOUD_TABLE, np.full(width, 0.005, np.float32), np.full(width, -1, np.float32), Concepts({}))


def reader(more: str = "", *, tagger: Tagger | None = None) -> Reader:
    """A reader of the lexicon above, with `more` TOML at its end; without a tagger it hears nothing."""
    lexicon = Lexicon.of(parse_language(FILE + more, source="test.toml"))
    return Reader(lexicon, English(), tagger or silent(), model())


class Talk:
    """A conversation that is written line by line."""

    def __init__(self, using: Reader | None = None) -> None:
        self.conversation = Conversation(using or reader())
        self.number = 0

    def says(self, side: Side, text: str, *, id: str | None = None, time: int | None = None, hour: int | None = None):
        self.number += 1
        at = self.number * 60_000 if time is None else time
        return self.conversation.read(Message(id or f"${self.number}", side, text, at, hour))

    def other(self, text: str, **more):
        return self.says(Side.OTHER, text, **more)

    def own(self, text: str, **more):
        return self.says(Side.OWN, text, **more)

"""What the French language file recognises in chat, and what it leaves alone."""

from __future__ import annotations

from functools import cache

import pytest

from tutela.signals.conversation.lexicon import Lexicon, language_file
from tutela.signals.conversation.stages import stage_of

GRAVE = {"isolation", "secrecy", "risk", "pressure", "threat", "self-harm"}


@cache
def lexicon() -> Lexicon:
    return Lexicon.of(language_file("fr"))


@pytest.mark.parametrize(
    ("text", "signals"),
    [
        ("envoie moi une photo stp", {"asks-picture"}),
        ("t'aurais pas une tof de toi", {"asks-picture"}),
        ("allume ta cam", {"asks-camera"}),
        ("on pourrait se voir en vrai samedi", {"asks-meeting"}),
        ("ça te dirait de venir chez moi", {"asks-meeting"}),
        ("je t'attends devant le collège", {"arranges-meeting"}),
        ("sors par la fenêtre quand ils dorment", {"arranges-meeting"}),
        ("si tu m'aimais vraiment tu le ferais", {"if-you-loved-me"}),
        ("t'es pas cap", {"prove-it"}),
        ("après tout ce que j'ai fait pour toi", {"you-owe-me"}),
        ("allez stp juste une fois", {"keeps-pushing"}),
        ("c'est de ta faute", {"guilt"}),
        ("si tu me bloques je balance tout", {"share-threat"}),
        ("j'ai enregistré toutes tes photos", {"holds-material"}),
        ("paye ou je publie", {"pay-or-else"}),
        ("t'as une heure pour payer", {"deadline"}),
        ("je sais où tu habites", {"harm-threat"}),
        ("personne te regretterait", {"hurt-yourself"}),
        ("grave mon nom sur ton bras", {"proof-of-loyalty"}),
        ("non j'ai pas envie arrête", {"refuses"}),
        ("j'ai que 13 ans", {"minor"}),
        ("ok maman", {"calls-family"}),
        ("merci coach", {"calls-teacher"}),
        ("à demain en cours", {"shares-life"}),
    ],
)
def test_french_chat_shows_its_signals(text: str, signals: set[str]) -> None:
    assert signals <= set(lexicon().read(text).signals)


@pytest.mark.parametrize(
    "text",
    [
        "t'as fini tes devoirs",
        "on se fait une game ce soir ?",
        "j'ai fait des photos du mariage je t'envoie",
        "tu peux me rendre le livre demain stp",
        "rends moi ton devoir avant minuit",
        "le film était trop triste j'ai pleuré",
        "maman passe te chercher après le judo",
        "envoie la photo de l'exo de maths stp",
        "mets ta webcam pour le cours en ligne",
        "tu viens à mon anniv samedi ?",
        "il fait trop chaud aujourd'hui",
    ],
)
def test_daily_talk_in_french_shows_none_of_the_grave_stages(text: str) -> None:
    stages = stage_of()
    assert not {signal for signal in lexicon().read(text).signals if stages[signal].id in GRAVE}


def test_every_signal_has_phrases_in_french() -> None:
    assert set(language_file("fr").signals) == set(stage_of())

"""The page with every state holds every text, in both languages."""

from __future__ import annotations

import html
import re

import pytest

from tutela.chat.design import render
from tutela.device.conversation import AgeGroup, Choice, Pause, advice, trusted_message
from tutela.device.conversation.advice import choice_label
from tutela.language import LANGUAGES, words
from tutela.signals.conversation.stages import stages


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_there(language: str):
    tongue = words(language)
    page = re.sub(r"\s+", " ", html.unescape(render(language)))
    texts = {sentence for told in advice._TEXTS.values() for sentence in told} | set(advice._TITLES.values())
    shown = {tongue.text(text) for text in texts}
    shown |= {choice_label(choice, tongue) for choice in Choice}
    shown |= {tongue.text(text) for stage in stages() for text in (stage.name, stage.reason)}
    shown |= {Pause(threat, many).text(tongue) for threat in (False, True) for many in (False, True)}
    shown |= {trusted_message(tongue), tongue.text("Send anyway"), tongue.text("Keep it")}
    # What has a no-break space is looked for as it is, everything else with single spaces.
    missing = {text for text in shown if re.sub(r"\s+", " ", text) not in page}
    assert missing == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_stands_alone_and_names_each_thing_once(language: str):
    page = render(language)
    assert "/static/" not in page
    assert "<script" not in page
    assert "http" not in re.sub(r"xmlns=\S+", "", page[page.index("<body") :])
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert {one for one in ids if ids.count(one) > 1} <= {"draft", "draft-note"}
    assert len(re.findall(r'<div class="advice (?:nudge|warning)"', page)) == 4 * len(AgeGroup)

"""The terminal simulator behind `tutela conversation try`: both sides are typed, and the guard thinks aloud."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, TextIO

import click
from rich.markup import escape
from rich.panel import Panel

from tutela.cli.console import say, show_panel
from tutela.device.conversation import AgeGroup
from tutela.device.conversation.advice import Advice, advise, choice_label
from tutela.language import words
from tutela.signals.conversation.conversation import Assessment, Conversation, Reader
from tutela.signals.conversation.decision import Level
from tutela.signals.conversation.languages import shipped_identifier
from tutela.signals.conversation.lexicon import shipped
from tutela.signals.conversation.message import Message, Side
from tutela.signals.conversation.model import Model
from tutela.signals.conversation.tagger import shipped_tagger

_MINUTE: Final = 60_000
_BAR: Final = 20


@dataclass(frozen=True)
class Typed:
    """A line of one side."""

    side: Side
    text: str


class Trial:
    """A conversation that is typed by one person."""

    def __init__(self, model: Model, group: AgeGroup, language: str) -> None:
        self._reader = Reader(shipped(), shipped_identifier(), shipped_tagger(), model)
        self._group = group
        self._language = language
        self._side = Side.OTHER
        self._begin()

    def _begin(self) -> None:
        self._conversation = Conversation(self._reader)
        self._number = 0

    def lines(self, source: TextIO, *, prompt: bool) -> Iterator[Typed]:
        """Yield the messages typed; commands are carried out."""
        while True:
            if prompt:
                click.echo("< " if self._side is Side.OTHER else "> ", nl=False)
            line = source.readline()
            if not line:
                return
            line = line.strip()
            if line == "/quit":
                return
            if line.startswith("/"):
                self._command(line)
            elif line:
                yield self._typed(line)

    def _typed(self, line: str) -> Typed:
        if line[0] in "<>":
            self._side = Side.OTHER if line[0] == "<" else Side.OWN
            line = line[1:].strip()
        return Typed(self._side, line)

    def _command(self, line: str) -> None:
        name, _, value = line[1:].partition(" ")
        if name == "reset":
            self._begin()
            say("[dim]Begun anew.[/dim]")
        elif name == "age" and value in [group.value for group in AgeGroup]:
            self._group = AgeGroup(value)
        elif name == "words" and value in ("en", "fr"):
            self._language = value
        else:
            say("[dim]Commands: /age child|teen|adult, /words en|fr, /reset, /quit[/dim]")

    def show(self, typed: Typed, *, as_json: bool) -> None:
        """Read one message and say what the guard makes of it."""
        self._number += 1
        message = Message(str(self._number), typed.side, typed.text, self._number * _MINUTE)
        assessment = self._conversation.read(message, own_age=self._group.age)
        advice = advise(assessment, self._group) if assessment.speaks and typed.side is Side.OTHER else None
        assessment = replace(assessment, reasons=self._conversation.assess(own_age=self._group.age).reasons)
        if as_json:
            click.echo(json.dumps(self._facts(typed, assessment, advice)))
        else:
            self._say(typed, assessment, advice)

    def _facts(self, typed: Typed, assessment: Assessment, advice: Advice | None) -> dict[str, object]:
        return {
            "message": self._number,
            "side": typed.side.value,
            "signals": list(assessment.new),
            "sounds": list(assessment.heard),
            "stages": {reason.stage.id: round(reason.part, 3) for reason in assessment.reasons},
            "probability": round(assessment.probability, 4),
            "level": assessment.level.word,
            "advice": None if advice is None else advice.facts(words(self._language)),
        }

    def _say(self, typed: Typed, assessment: Assessment, advice: Advice | None) -> None:
        arrow = "<" if typed.side is Side.OTHER else ">"
        new = [*assessment.new, *(f"sounds like {stage}" for stage in assessment.heard)]
        shown = f"  [cyan]{', '.join(new)}[/cyan]" if new else ""
        say(f"[bold]{arrow}[/bold] {escape(typed.text[:200])}{shown}")
        if new:
            most = max((reason.part for reason in assessment.reasons), default=1.0) or 1.0
            for reason in assessment.reasons:
                bar = "█" * max(1, round(_BAR * max(0.0, reason.part) / most))
                say(f"    [dim]{reason.stage.name:<32}[/dim] {bar} {reason.part:.2f}")
            say(f"    [dim]level {assessment.level.word}, probability {assessment.probability:.3f}[/dim]")
        if advice is not None:
            self._advise(advice)

    def _advise(self, advice: Advice) -> None:
        spoken = words(self._language)
        reasons = "\n".join(f"· {escape(reason)}" for reason in advice.told_reasons(spoken))
        choices = "  ".join(f"\\[{escape(choice_label(choice, spoken))}]" for choice in advice.choices)
        colour = {Level.TIP: "blue", Level.NUDGE: "yellow", Level.WARNING: "red"}[advice.level]
        body = f"{reasons}\n\n{escape(advice.text(spoken))}\n\n[bold]{choices}[/bold]"
        show_panel(Panel(body, title=escape(advice.title(spoken)), border_style=colour, width=90))

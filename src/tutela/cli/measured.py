"""What `tutela conversation evaluate` prints for people."""

from __future__ import annotations

from typing import Final

from rich.markup import escape
from rich.table import Table

from tutela.cli.console import count, say, show
from tutela.research.evaluation import Measured


def show_measured(measured: Measured) -> None:
    """Print tables."""
    facts = measured.facts
    say(f"{count(facts['conversations'], 'conversation', 'conversations')}, {facts['approaches']} of them approaches.")
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, label in _FIGURES.items():
        if name in facts:
            low, high = facts.get(f"{name}_interval", (None, None))
            table.add_row(label, f"{facts[name]:.3f}", "" if low is None else f"[dim]{low:.3f} to {high:.3f}[/dim]")
    if "best_f05" in facts:
        table.add_row(
            "best F0.5", f"{facts['best_f05']['value']:.3f}", "[dim]threshold chosen on these very chats[/dim]"
        )
    for rate, recall in facts.get("recall_at_false_alarms_per_1000", {}).items():
        table.add_row(f"recall at {rate} false alarms per 1,000", f"{recall:.3f}", "")
    if "before_request" in facts:
        early = facts["before_request"]
        table.add_row("found before the request", f"{early['recall']:.3f}", f"[dim]of {early['approaches']}[/dim]")
    show(table)
    if "false_alarms" in facts:
        say("False alarms per 1,000 harmless chats (with the upper 95 % bound):")
        for name in ("tip", "nudge", "warning"):
            one = facts["false_alarms"][name]
            say(f"  {name}: {one['per_1000']:.2f} (at most {one['per_1000_upper_95']:.2f})")
    if facts["by_stage"]:
        say("Lines that the corpus marks, and the share that the guard saw")
        rows = Table(box=None, padding=(0, 2, 0, 0))
        for column in ("stage", "lines", "seen"):
            rows.add_column(column)
        for stage, one in facts["by_stage"].items():
            rows.add_row(stage, str(one["lines"]), f"{one['seen']:.3f}")
        show(rows)
    for title, key in (("By language", "by_language"), ("By kind", "by_kind")):
        if facts[key]:
            say(title)
            rows = Table(box=None, padding=(0, 2, 0, 0))
            for column in ("", "chats", "recall", "false alarms per 1,000"):
                rows.add_column(column)
            for name, one in facts[key].items():
                recall, alarms = one.get("recall"), one.get("false_alarms_per_1000")
                rows.add_row(
                    escape(name),
                    str(one["conversations"]),
                    "" if recall is None else f"{recall:.3f}",
                    "" if alarms is None else f"{alarms:.1f}",
                )
            show(rows)


_FIGURES: Final = {
    "auc": "AUC",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "f05": "F0.5",
    "speed": "speed",
    "latency_f1": "latency-weighted F1",
    "erde_5": "ERDE 5",
    "erde_50": "ERDE 50",
}

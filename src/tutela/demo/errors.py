"""What can go wrong in the demo."""

from __future__ import annotations

from typing import ClassVar

from tutela.errors import TutelaError


class DemoError(TutelaError):
    """The stage could not be set."""

    code: ClassVar[str] = "demo"


class StepFailed(DemoError):
    """Something that the story promises did not hold."""

    code: ClassVar[str] = "step-failed"


def expect(holds: bool, promise: str) -> None:
    """Raise `StepFailed` unless a promise holds."""
    if not holds:
        raise StepFailed(f"this did not hold: {promise}")

"""The root of every error that Tutela raises on purpose.

Each room has one branch beneath it, in its own `errors.py`::

    TutelaError
    ├── WireError            wire: malformed, oversized or forged messages
    ├── PictureError         signals/image: a picture that cannot be read
    ├── ConversationError    signals/conversation: a language file, a model or a state that cannot be used
    ├── ResearchError        research: a corpus or script that cannot be used
    ├── MatchingError        matching: a proof, key or filter that does not hold
    ├── TransparencyError    transparency: proofs, notes and checkpoints of a log
    ├── ListError            lists: submissions, agreement, epochs
    ├── ProviderError        provider: the service
    ├── DeviceError          device: the SDK
    ├── MatrixError          integrations/matrix
    └── DemoError            demo

An error speaks with two voices: `code`, a stable word for machines, and its text, one sentence for people,
with `hint` saying what to do about it.
"""

from __future__ import annotations

from typing import ClassVar


class TutelaError(Exception):
    """Base of all errors raised by Tutela."""

    code: ClassVar[str] = "tutela"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

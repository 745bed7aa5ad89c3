"""Why a corpus or a script cannot be used."""

from __future__ import annotations

from typing import ClassVar

from tutela.errors import TutelaError


class ResearchError(TutelaError):
    """Something that a researcher gave cannot be used."""

    code: ClassVar[str] = "research"


class BadCorpus(ResearchError):
    """A corpus that does not follow its format; the text names the place, never a line of chat."""

    code: ClassVar[str] = "bad-corpus"


class BadScript(ResearchError):
    """A script or bank of synthetic conversations that does not follow its format."""

    code: ClassVar[str] = "bad-script"


class TooFew(ResearchError):
    """Not enough conversations, or only of one kind, to measure or train on."""

    code: ClassVar[str] = "too-few"

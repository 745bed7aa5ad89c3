"""Why a language file, a model or a saved state is not accepted."""

from __future__ import annotations

from typing import ClassVar

from tutela.errors import TutelaError


class ConversationError(TutelaError):
    """Something of the conversation guard that cannot be used."""

    code: ClassVar[str] = "conversation"


class BadLanguageFile(ConversationError):
    """A language file that does not follow its format; the text names the place."""

    code: ClassVar[str] = "bad-language-file"


class BadModel(ConversationError):
    """A model file that does not fit the stages, or is not one."""

    code: ClassVar[str] = "bad-model"


class BadState(ConversationError):
    """A saved state that cannot be read, or is of another version."""

    code: ClassVar[str] = "bad-state"

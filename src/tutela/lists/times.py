"""Times as the documents write them: UTC, whole seconds, `2026-01-31T12:00:00Z`; such texts sort as the times do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from tutela.lists.errors import MalformedTime

_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"


def text_of(moment: datetime) -> str:
    """Return a moment as the documents write it."""
    return moment.astimezone(UTC).strftime(_FORMAT)


def parse(text: str) -> datetime:
    """Return the moment that `text` names.

    Raises:
        MalformedTime: not such a text, or no such day or hour.
    """
    try:
        moment = datetime.strptime(text, _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        moment = None
    if moment is None or text_of(moment) != text:
        raise MalformedTime(f"{text!r:.40} is not a time such as 2026-01-31T12:00:00Z")
    return moment


def later(text: str, by: timedelta) -> str:
    """Return the time that lies `by` after `text`."""
    return text_of(parse(text) + by)

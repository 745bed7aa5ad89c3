"""When somebody reads a report, in a sentence for whoever made it. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from tutela.chat.calendar import weekday_and_date
from tutela.language import N_, Words
from tutela.wire.report import ReadingTime

#: Minutes up to which minutes are said, and up to which hours are.
_MINUTES: Final = 90
_HOURS: Final = 12 * 60


_NOT_BEFORE: Final = (
    N_("Nobody reads this before {clock}."),
    N_("Nobody reads this before tomorrow at {clock}."),
    N_("Nobody reads this before {day} at {clock}."),
)
_BY: Final = (
    N_("Somebody reads this by {clock}."),
    N_("Somebody reads this by tomorrow at {clock}."),
    N_("Somebody reads this by {day} at {clock}."),
)


def when_read(time: ReadingTime, *, now: datetime, zone: tzinfo | None, words: Words) -> str:
    """Say it plainly, most of all where nobody reads it for some time. `zone` is the reader's, as in `Pages`."""
    if time.nobody_for is None or time.within is None:
        return words.text(N_("Nobody is there to read this now. It is kept until somebody is."))
    if time.nobody_for > 0:
        return _moment(_NOT_BEFORE, time.nobody_for, now=now, zone=zone, words=words)
    if time.within <= 0:
        return words.text(N_("Somebody reads this soon."))
    if time.within <= _MINUTES:
        return words.text(N_("Somebody reads this within {number} minutes."), number=max(time.within, 2))
    if time.within <= _HOURS:
        return words.text(N_("Somebody reads this within {number} hours."), number=-(-time.within // 60))
    return _moment(_BY, time.within, now=now, zone=zone, words=words)


def _moment(sentences: tuple[str, str, str], minutes: int, *, now: datetime, zone: tzinfo | None, words: Words) -> str:
    # In UTC: clocks may be changed on the way.
    moment = (now.astimezone(UTC) + timedelta(minutes=minutes)).astimezone(zone)
    days = (moment.date() - now.astimezone(zone).date()).days
    day = weekday_and_date(moment.date(), words)
    return words.text(sentences[min(days, 2)], clock=f"{moment:%H:%M}", day=day)

"""What the templates are given, in the reader's language. No state of its own."""

from __future__ import annotations

import functools
import hashlib
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import groupby
from typing import Any, Final, Literal
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from tutela.chat.advice_pages import CardView, PauseView, card_view, pause_view, settings_view
from tutela.chat.advising import SENT_TO
from tutela.chat.calendar import full_date, number
from tutela.chat.conversation import Day, short_name, show
from tutela.chat.forms import PICTURE_BYTES
from tutela.chat.helplines import WIDE, by_name, countries, emergency, first_for, nearest_first
from tutela.chat.observer import SIGN_IN, Observation, Party
from tutela.chat.reading_time import when_read
from tutela.chat.report_pages import ConfirmPage, ReportCard, SentPage, card, offered, reading_time, reasons, sentences
from tutela.chat.reporting import Filled, offers, reportable
from tutela.chat.window import TEXT_LENGTH, Window
from tutela.device.conversation import ConversationGuard, trusted_message
from tutela.device.reports import OwnReport
from tutela.device.verdict import Outcome
from tutela.language import LANGUAGES, N_, Words, words
from tutela.wire.manifest import Action
from tutela.wire.report import ReadingTimes

_TINTS: Final = 4
_PARTIES: Final = {Party.HOMESERVER: N_("Homeserver"), Party.PROVIDER: N_("Provider")}


@dataclass(frozen=True)
class Dialog:
    """The screen that comes up when a picture is held: *stop*, or *ask* where the user may decide."""

    kind: Literal["stop", "ask"]
    title: str
    text: str
    question: str
    """What a confirmation has to name."""
    again: bool
    """Whether it was held only because it could not be checked, so that trying again may help."""


@dataclass(frozen=True)
class ConversationPage:
    """All that the conversation's template reads."""

    name: str
    other: str
    other_tint: int
    days: Sequence[Day]
    chosen: str
    """The chosen picture's id, or nothing."""
    dialog: Dialog | None
    failure: str
    reporting: bool
    """Whether there is somebody to report to."""
    answered: bool
    """Whether a report was answered, and the user has not looked."""
    card: CardView | None
    """What the conversation guard tells the user."""
    pause: PauseView | None
    """What the user is asked before a message goes out."""
    told: str
    """Whom the user told."""
    blocked: Sequence[str]
    left: bool
    draft: str
    picture_bytes: int = PICTURE_BYTES


class Pages:
    """Renders pages. `clock` tells the time, `zone` is the reader's; `None` stands for this machine's."""

    def __init__(self, *, clock: Callable[[], datetime], zone: tzinfo | None = None) -> None:
        self._clock = clock
        self._zone = zone
        self._templates = templates()

    def conversation(self, window: Window, tongue: Words, *, answered: bool = False) -> str:
        """The window's page, with its stop or ask screen when a picture is held; `answered` if a report was."""
        chosen = window.chosen
        days = show(
            window.events,
            own=window.client.user_id,
            words=tongue,
            zone=self._zone,
            today=self._clock().astimezone(self._zone).date(),
            opened=window.opened,
            accepted=window.accepted,
            reportable={event.event_id for event in window.events if reportable(window.client, event)},
        )
        page = ConversationPage(
            name=window.name,
            other=window.other,
            other_tint=tint(window.other),
            days=days,
            chosen=chosen.id if chosen else "",
            dialog=_dialog(window, tongue),
            failure=window.failure,
            reporting=window.client.reports is not None,
            answered=answered,
            card=self._card_of(window, tongue),
            pause=pause_view(window.advising.paused, tongue) if window.advising.paused else None,
            told=tongue.text(SENT_TO, name=window.advising.told) if window.advising.told else "",
            blocked=[short_name(person, seen_by=window.client.user_id) for person in window.advising.blocked],
            left=window.advising.left,
            draft=window.advising.draft,
        )
        return self._render("conversation.html", tongue, page=page)

    def tell(self, window: Window, tongue: Words, *, chosen: str = "", text: str = "", failed: bool = False) -> str:
        """The page on which the user writes to somebody they trust, in a conversation that they pick."""
        chats = window.advising.chats()
        return self._render(
            "tell.html",
            tongue,
            chats=chats,
            chosen=chosen or (chats[0].id if chats else ""),
            text=text if failed else trusted_message(tongue),
            failed=failed,
            characters=TEXT_LENGTH,
        )

    def leave(self, window: Window, tongue: Words) -> str:
        """The page that asks once more before the user leaves."""
        return self._render("leave.html", tongue, other=window.other)

    def settings(self, guard: ConversationGuard, tongue: Words, *, saved: bool) -> str:
        """The settings of the conversation guard."""
        view = settings_view(guard.settings, guard.allowed(guard.settings), tongue)
        return self._render("settings.html", tongue, view=view, saved=saved)

    def help(
        self, tongue: Words, region: str | None, *, reporting: bool, advising: bool = False, focus: str = ""
    ) -> str:
        """The page with helplines and words to begin with.

        `reporting` if there is somebody to report to, `advising` if there are settings of the conversation guard; lines
        for `focus` come first.
        """
        nearest, *rest = first_for(nearest_first(countries(), language=tongue.language, region=region), focus)
        return self._render(
            "help.html",
            tongue,
            nearest=nearest,
            wide=[country for country in rest if country.code in WIDE],
            others=by_name([country for country in rest if country.code not in WIDE], tongue),
            read=full_date(min(line.read for country in countries() for line in country.line), tongue),
            reporting=reporting,
            advising=advising,
        )

    def reasons(self, window: Window, entry: str, tongue: Words, region: str | None, *, advised: bool = False) -> str:
        """The first page of a report: what happened.

        `entry` is the message at which it began, or nothing; with `advised` it began at a card.
        """
        return self._render(
            "report_reasons.html",
            tongue,
            reasons=reasons(tongue),
            entry=entry,
            other=window.other,
            advised=advised,
            keep=urlencode({"advice": "yes"} if advised else {"entry": entry} if entry else {}),
            **_help_near(window, tongue, region),
        )

    def confirm(
        self,
        window: Window,
        filled: Filled,
        times: ReadingTimes | None,
        tongue: Words,
        region: str | None,
        *,
        failure: str = "",
        advised: bool = False,
    ) -> str:
        """The last page before a report is sent. With `failure`, as the user filled it in before."""
        evidence = window.advising.evidence if advised else ()
        choices = offers(window, filled.entry, ticked=filled.ticked if failure else None, evidence=evidence)
        rows = offered(choices, opened=window.opened, own=window.client.user_id, words=tongue, zone=self._zone)
        page = ConfirmPage(
            id=filled.id,
            reason=next(reason for reason in reasons(tongue) if reason.id is filled.reason),
            entry=filled.entry,
            other=window.other,
            near=[row for row, choice in zip(rows, choices, strict=True) if choice.near],
            more=[row for row, choice in zip(rows, choices, strict=True) if not choice.near],
            sentences=sentences(times, filled.reason, now=self._clock(), zone=self._zone, words=tongue),
            danger_now=filled.danger_now,
            text=filled.text,
            failure=failure,
            characters=TEXT_LENGTH,
        )
        began = {"advice": "yes"} if advised else {"entry": filled.entry} if filled.entry else {}
        keep = urlencode({"reason": filled.reason} | began)
        return self._render("report_confirm.html", tongue, page=page, keep=keep, **_help_near(window, tongue, region))

    def sent(
        self, window: Window, own: OwnReport, times: ReadingTimes | None, tongue: Words, region: str | None
    ) -> str:
        """The page after a report was sent, or is kept to be sent."""
        now = self._clock()
        time = reading_time(own, times, now=now)
        page = SentPage(
            other=window.other,
            card=self._card(window, own, times, now, tongue),
            sentence=when_read(time, now=now, zone=self._zone, words=tongue),
            nobody=time.nobody_for != 0,
            danger_now=own.danger_now,
        )
        keep = urlencode({"report": own.id})
        return self._render("report_sent.html", tongue, page=page, keep=keep, **_help_near(window, tongue, region))

    def reports(
        self,
        window: Window,
        own: Sequence[OwnReport],
        times: ReadingTimes | None,
        tongue: Words,
        region: str | None,
        *,
        added: str = "",
        failed: str = "",
    ) -> str:
        """All reports, and what became of them. `added` and `failed` are ids of reports that were just added to."""
        now = self._clock()
        cards = [self._card(window, one, times, now, tongue) for one in own]
        fresh = {one.id: secrets.token_hex(32) for one in own}
        return self._render(
            "reports.html",
            tongue,
            cards=cards,
            fresh=fresh,
            added=added,
            failed=failed,
            other=window.other,
            characters=TEXT_LENGTH,
            **_help_near(window, tongue, region),
        )

    def side_by_side(self, windows: Sequence[Window], seen: Sequence[Observation], tongue: Words) -> str:
        """The page with all windows and the pane of what others saw."""
        frames = [{"name": window.name, "path": window.path, "tint": tint(window.name)} for window in windows]
        groups = (list(group) for _, group in groupby(enumerate(seen), key=_alike))
        lines, ids = [self._lines([one for _, one in group], tongue) for group in groups], Counter[str]()
        for line in lines:
            ids[line["id"]] += 1
            line["id"] += f"-{ids[line['id']]}"
        return self._render("side_by_side.html", tongue, windows=frames, lines=lines)

    def refused(self, tongue: Words, title: str, text: str, *, back: str | None = None) -> str:
        """A page that says what did not work; `title` and `text` are source texts."""
        return self._render("refused.html", tongue, title=tongue.text(title), text=tongue.text(text), back=back)

    @staticmethod
    def _card_of(window: Window, tongue: Words) -> CardView | None:
        advising = window.advising
        if advising.card is None:
            return None
        reporting = window.client.reports is not None
        return card_view(advising.card.advice, advising.card_id, tongue, reporting=reporting)

    def _card(
        self, window: Window, own: OwnReport, times: ReadingTimes | None, now: datetime, tongue: Words
    ) -> ReportCard:
        return card(own, client=window.client, times=times, now=now, zone=self._zone, words=tongue)

    def _lines(self, alike: Sequence[Observation], tongue: Words) -> dict[str, Any]:
        line = self._line(alike[0], tongue)
        if len(alike) > 1:
            last = self._line(alike[-1], tongue)["clock"]
            line["text"] = tongue.text(N_("{what}, {number} times"), what=line["text"], number=len(alike))
            line["clock"] = line["clock"] if line["clock"] == last else f"{line['clock']} – {last}"
        return line

    def _line(self, seen: Observation, tongue: Words) -> dict[str, Any]:
        time = seen.time.astimezone(self._zone)
        what, account = tongue.text(seen.what, **seen.values), seen.account.partition(":")[0]
        key = (seen.time.isoformat(), seen.party, seen.account, what, seen.bytes)
        size = None if seen.bytes is None else number(seen.bytes, tongue)
        return {
            "id": "s" + hashlib.sha256(repr(key).encode()).hexdigest()[:20],
            "party": seen.party.value,
            "party_name": tongue.text(_PARTIES[seen.party]),
            "text": tongue.text(N_("{what}, from {account}"), what=what, account=account) if account else what,
            "time": time,
            "clock": f"{time:%H:%M:%S}",
            "size": size and tongue.text(N_("{number} bytes"), number=size),
        }

    def _render(self, template: str, tongue: Words, **values: object) -> str:
        return self._templates.get_template(template).render(t=tongue.text, language=tongue.language, **values)


def home_of(window: Window, region: str | None) -> str | None:
    """Return the country that the account's user set on the device, or else the region that the browser names."""
    guard = window.client.conversations
    return (guard.settings.jurisdiction if guard else None) or region


def _help_near(window: Window, tongue: Words, region: str | None) -> dict[str, Any]:
    region = home_of(window, region)
    nearest = nearest_first(countries(), language=tongue.language, region=region)[0]
    return {"nearest": nearest, "emergency": emergency(countries(), region=region)}


@functools.cache
def templates() -> Environment:
    """Return the templates, with the drawings at hand in each; compiled once, however many pages there are."""
    made = Environment(
        loader=PackageLoader("tutela.chat"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    drawings = made.get_template("icons.html").module
    made.globals.update({name: getattr(drawings, name) for name in ("icon", "mark", "guardian")})
    return made


def _alike(numbered: tuple[int, Observation]) -> object:
    """What lines have in common that stand for one another: sign-ins by the same one alone."""
    number, seen = numbered
    return (seen.party, seen.account, seen.bytes) if seen.what == SIGN_IN else number


def tint(name: str) -> int:
    """Return the colour of a person's circle, the same every time."""
    return hashlib.sha256(name.encode()).digest()[0] % _TINTS


def choose_language(asked: str | None, remembered: str | None, accepted: str) -> tuple[Words, str | None]:
    """Return the words to speak, and the region that the browser names for them.

    Args:
        asked: what the address says.
        remembered: what the cookie says.
        accepted: the `Accept-Language` header.
    """
    tags = [tag.partition(";")[0].strip() for tag in accepted.split(",")]
    known = [tag for tag in tags if tag.lower().partition("-")[0] in LANGUAGES]
    chosen = next((tag for tag in (asked, remembered, *known) if tag and tag[:2].lower() in LANGUAGES), "en")
    region = next((part.upper() for tag in tags for part in tag.split("-")[1:] if len(part) == 2), None)
    return words(chosen), region


def _dialog(window: Window, tongue: Words) -> Dialog | None:
    if window.chosen is None or (held := window.chosen.held) is None:
        return None
    return Dialog(
        kind="ask" if held.action is Action.WARN else "stop",
        title=held.title(tongue),
        text=held.text(tongue),
        question=window.chosen.question,
        again=held.outcome is Outcome.UNCHECKED,
    )

"""A line in the conversation when a report was answered: gently asked for, and gone once it was looked at."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from chat.conftest import Running
from chat.pretend import PretendReports, an_id
from tutela.chat.answers import EVERY, Answers
from tutela.device.reports import OwnReport
from tutela.wire.report import ReportOutcome, ReportReason, ReportState


@dataclass
class Asked(PretendReports):
    """Counts how often the provider is asked, which answers `answer`."""

    asked: int = 0
    answer: bool = False
    fail: bool = False

    async def mine(self) -> tuple[OwnReport, ...]:
        self.asked += 1
        if self.fail:
            raise RuntimeError("a mistake of ours")
        if self.answer:
            for own in self.known():
                self.told(own.id, ReportState.DECIDED, ReportOutcome.ACTED)
        return await super().mine()


@dataclass
class Page:
    reports: Asked
    now: float = 0.0
    told: int = 0
    answers: Answers = field(init=False)

    def __post_init__(self) -> None:
        self.answers = Answers(self.reports, self._tell, now=lambda: self.now)

    def _tell(self) -> None:
        self.told += 1

    async def open(self) -> int:
        """Open it; return how often the provider was asked until now."""
        self.answers.opened()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return self.reports.asked


async def reported(reports: PretendReports, name: str = "one") -> str:
    own = await reports.send(
        ReportReason.THREATENED,
        messages=[], files={}, about=None, danger_now=False, text="", language="en", report_id=an_id(name),
    )  # fmt: skip
    return own.id


@pytest.fixture
def page(running: Running) -> Page:
    return Page(Asked(running.pair.mia.clock))


async def test_who_has_reported_nothing_asks_nothing(page: Page) -> None:
    assert await page.open() == 0


async def test_what_waits_to_be_sent_asks_nothing(page: Page) -> None:
    page.reports.away = True
    await reported(page.reports)
    assert await page.open() == 0


async def test_it_asks_at_once_and_then_every_few_minutes(page: Page) -> None:
    await reported(page.reports)
    assert [await page.open() for _ in range(3)] == [1, 1, 1]
    page.now = EVERY - 1
    assert await page.open() == 1
    page.now = EVERY
    assert [await page.open() for _ in range(3)] == [2, 2, 2]
    assert page.told == 0


async def test_an_answer_is_told_once_and_nothing_is_asked_any_more(page: Page) -> None:
    await reported(page.reports)
    page.reports.answer = True
    assert await page.open() == 1
    assert (page.told, page.answers.waiting) == (1, True)
    page.now = 10 * EVERY
    assert await page.open() == 1
    page.reports.looked()
    assert not page.answers.waiting


async def test_what_goes_wrong_ends_nothing(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    await reported(page.reports)
    page.reports.fail = True
    assert await page.open() == 1
    assert "not known" in caplog.text
    page.now, page.reports.fail, page.reports.answer = EVERY, False, True
    assert await page.open() == 2
    assert page.told == 1
    await page.answers.close()


async def test_the_conversation_says_so_until_the_answer_was_looked_at(running: Running) -> None:
    reports = running.pair.mia.reports
    assert reports is not None
    report = await reported(reports)
    mia, leo = running.mia, running.leo
    assert "There is an answer" not in (await mia.get("./")).text
    reports.told(report, ReportState.DECIDED, ReportOutcome.ACTED, "Thank you, Mia.")
    assert "There is an answer for you" in (await mia.get("./")).text
    assert "Une réponse t’attend" in (await mia.get("./?lang=fr")).text
    assert "There is an answer" not in (await leo.get("./")).text
    assert "Thank you, Mia." in (await mia.get("reports?lang=en")).text
    assert "There is an answer" not in (await mia.get("./")).text

"""A thousand open cases: every page in its order, each case on one of them."""

from __future__ import annotations

from pathlib import Path

from harness.full_queue import fill
from harness.provider import START
from harness.review import ADA
from tutela.provider.database import Database
from tutela.provider.review.lanes import Lanes
from tutela.provider.review.policy import Urgency


def test_a_full_queue_is_paged_through(database: Database, tmp_path: Path) -> None:
    fill(tmp_path, database, undecided=1000, decided=200)
    lanes = Lanes(database, lambda: START)

    page = lanes.queue(ADA, limit=90)
    rows = list(page.rows)
    while page.onwards is not None:
        page = lanes.queue(ADA, after=page.onwards, limit=90)
        rows += page.rows

    assert len({row.id for row in rows}) == len(rows) == 1000
    assert [row.place for row in rows] == sorted(row.place for row in rows)
    assert all(row.open for row in rows)
    assert {lane.urgency for lane in page.lanes if lane.cases} == set(Urgency)
    assert sum(lane.cases for lane in page.lanes) == 1000

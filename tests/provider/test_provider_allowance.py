"""The allowance of checks: the arithmetic, its persistence, and what a device is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from harness.provider import SERVER, Stage, TestClock, small_epoch, staged
from tutela.lists import defaults
from tutela.provider.allowance import HOUR, Allowances, spend
from tutela.provider.database import Database
from tutela.provider.errors import RateLimited

PER_HOUR = st.integers(1, 1 << 16)


def taken(times: list[int], per_hour: int) -> list[int]:
    """At which of these times a check was granted."""
    whole, granted = None, []
    for now in times:
        after, wait = spend(whole, now, per_hour)
        if not wait:
            whole = after
            granted.append(now)
    return granted


@given(per_hour=st.integers(1, 200), now=st.integers(0, 1 << 45))
def test_an_hours_checks_at_once_and_no_more(per_hour: int, now: int):
    assert len(taken([now] * (per_hour + 3), per_hour)) == per_hour


@given(per_hour=st.integers(1, 30), steps=st.lists(st.integers(0, HOUR // 2), max_size=60))
def test_never_more_than_two_hours_checks_in_one_hour(per_hour: int, steps: list[int]):
    times = [sum(steps[: i + 1]) for i in range(len(steps)) for _ in range(4)]
    granted = taken(times, per_hour)
    for begin in granted:
        assert sum(begin <= at < begin + HOUR for at in granted) <= 2 * per_hour


@given(per_hour=PER_HOUR, now=st.integers(0, 1 << 45), ahead=st.integers(0, 2 * HOUR))
def test_the_wait_that_is_told_is_exact(per_hour: int, now: int, ahead: int):
    _, wait = spend(now + ahead, now, per_hour)
    if wait:
        assert spend(now + ahead, now + wait, per_hour)[1] == 0 or ahead > HOUR
        assert spend(now + ahead, now + wait - 1, per_hour)[1] > 0


@given(per_hour=PER_HOUR, now=st.integers(0, 1 << 45), wrong=st.integers(0, 1 << 50))
def test_a_clock_that_was_ahead_locks_nobody_out(per_hour: int, now: int, wrong: int):
    _, wait = spend(now + wrong, now, per_hour)
    assert wait <= -(-HOUR // per_hour)


@given(per_hour=PER_HOUR, now=st.integers(0, 1 << 45))
def test_a_quiet_hour_makes_it_whole(per_hour: int, now: int):
    interval = -(-HOUR // per_hour)
    after, wait = spend(now, now, per_hour)
    assert (after, wait) == (now + interval, 0)
    assert spend(now - 1, now, per_hour) == spend(None, now, per_hour)


async def test_limited(home: Path):
    policy = msgspec.structs.replace(defaults.POLICY, checks_per_hour=3)
    async with staged(home, small_epoch(policy=policy)) as stage:
        ann, bob = await stage.sign_in(), await stage.sign_in(f"@bob:{SERVER}")
        for _ in range(3):
            assert (await stage.check(ann)).status_code == 200
        answer = await stage.check(ann)
        assert answer.status_code == 429
        assert answer.json()["code"] == "rate-limited"
        assert answer.headers["retry-after"] == "1200"
        assert (await stage.check(bob)).status_code == 200, "each account has its own"
        again = await stage.sign_in()
        assert (await stage.check(again)).status_code == 429, "a new session is no new allowance"
        stage.clock.forward(seconds=1199)
        assert (await stage.check(ann)).status_code == 429
        stage.clock.forward(seconds=1)
        assert (await stage.check(ann)).status_code == 200


async def test_a_restart_resets_nothing(home: Path):
    policy = msgspec.structs.replace(defaults.POLICY, checks_per_hour=1)
    epoch = small_epoch(policy=policy)
    async with staged(home, epoch) as stage:
        assert (await stage.check(await stage.sign_in(token="a"))).status_code == 200
    async with staged(home, epoch) as stage:
        assert (await stage.check(await stage.sign_in(token="b"))).status_code == 429


async def test_what_is_no_element_is_paid_for(home: Path):
    policy = msgspec.structs.replace(defaults.POLICY, checks_per_hour=1)
    async with staged(home, small_epoch(policy=policy)) as stage:
        session = await stage.sign_in()
        assert (await stage.check(session, b"\x01\x00\x08" + b"\xff" * 256)).status_code == 400
        assert (await stage.check(session)).status_code == 429


async def test_parallel_checks_are_all_counted(home: Path):
    policy = msgspec.structs.replace(defaults.POLICY, checks_per_hour=5)
    async with staged(home, small_epoch(policy=policy)) as stage:
        session = await stage.sign_in()
        answers = await asyncio.gather(*(stage.check(session) for _ in range(12)))
        assert sorted(a.status_code for a in answers) == [200] * 5 + [429] * 7


async def test_what_is_kept_is_one_number(stage: Stage):
    session = await stage.sign_in()
    for _ in range(3):
        await stage.check(session)
        stage.clock.forward(seconds=60)
    with stage.provider.database.reading() as connection:
        rows = connection.execute(sa.text("SELECT * FROM allowance")).all()
    assert len(rows) == 1
    account, whole = rows[0]
    assert (account, type(whole)) == (f"@ann:{SERVER}", int)


def test_two_processes_share_one_allowance(database_url: str):
    clock = TestClock()
    databases = [Database(database_url) for _ in range(2)]
    databases[0].migrate()
    first, second = (Allowances(database, clock) for database in databases)
    for one in (first, second, first):
        one.take("@ann:home.example", 3)
    with pytest.raises(RateLimited) as refused:
        second.take("@ann:home.example", 3)
    assert refused.value.retry_after == 1200
    for database in databases:
        database.close()

"""What reports and their review cost: verifying, taking in, and the queue's first page at 100,000 open cases.

    .venv/bin/python benchmarks/review.py [--cases 100000] [--json]

On SQLite and on PostgreSQL (from a wheel, without fsync: its writing is faster here than yours). As many decided cases
as open ones. The queue is read by a process of its own, whose memory is measured. Everything shares the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from harness import postgresql
from harness.console import console_staged
from harness.full_queue import fill, reports_in
from harness.provider import ADDRESS, SERVER, STAMP_KEY, START, TestClock
from harness.reports import message, report
from harness.review import ADA
from tutela.provider.database import Database
from tutela.provider.reports.verification import StampKeys, verify
from tutela.provider.review import cases
from tutela.provider.review.lanes import Lanes, Show
from tutela.provider.review.people import Role
from tutela.wire import document, limits
from tutela.wire.franking import stamp_key_id
from tutela.wire.report import read_report


def milliseconds(call: Callable[[], object], rounds: int) -> dict[str, float]:
    """How long a call takes, and how much of the processor's time."""
    taken, used = [], []
    for _ in range(rounds):
        began, cpu = time.perf_counter(), time.process_time()
        call()
        taken.append(1000 * (time.perf_counter() - began))
        used.append(1000 * (time.process_time() - cpu))
    return {"ms_median": statistics.median(taken), "cpu_ms_median": statistics.median(used)}


def verifying() -> dict[str, dict[str, float]]:
    """Parse and verify reports of several sizes; nothing is stored."""
    stamps = StampKeys({(SERVER, stamp_key_id(STAMP_KEY)): STAMP_KEY})
    found = {}
    for count in (1, 10, limits.REPORT_MESSAGES):
        data = document.encode(report(*(message(n, "x" * 200) for n in range(1, count + 1))))
        found[f"verify_{count}_messages"] = milliseconds(lambda data=data: verify(read_report(data), stamps), 50)
    return found


def taking_in(folder: Path, database: Database) -> dict[str, float]:
    """Take in reports of ten messages, each durably before its reporter is told."""
    intake = reports_in(folder, database, TestClock())
    sent = iter(
        (
            f"@sender{n}:{SERVER}",
            document.encode(report(*(message(m) for m in range(1, 11)), number=10**7 + n, about=f"@new{n}:{SERVER}")),
        )
        for n in range(100)
    )
    return milliseconds(lambda: intake.take(*next(sent)), 100)


def read_queue(url: str) -> None:
    """In a process of its own: read pages of the queue, and say how long that takes and how much memory."""
    with closing(Database(url)) as database:
        lanes = Lanes(database, lambda: START)
        first = lanes.queue(ADA)
        deep = (first.lanes[2].urgency, False, START, 0)
        calls: dict[str, Callable[[], object]] = {
            show.value: lambda show=show: lanes.queue(ADA, show=show) for show in Show
        }
        calls["deep_page"] = partial(lanes.queue, ADA, after=deep)
        found: dict[str, Any] = {f"queue_{name}": milliseconds(call, 20) for name, call in calls.items()}
    found["memory"] = {"mb_peak": peak()}
    print(json.dumps(found))


async def read_page(url: str) -> None:
    """In a process of its own: the queue's page as a browser gets it, and how much memory the whole service holds."""
    times, cpu = [], []
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / ADDRESS).write_text(url)
        async with console_staged(Path(name)) as console:
            anna = await console.member("Anna", Role.REVIEWER)
            for _ in range(20):
                began, used = time.perf_counter(), time.process_time()
                page = await anna.get("/queue")
                times.append(1000 * (time.perf_counter() - began))
                cpu.append(1000 * (time.process_time() - used))
                assert page.text.count("data-open") == cases.PAGE
    found = {"ms_median": statistics.median(times), "cpu_ms_median": statistics.median(cpu), "mb_peak": peak()}
    print(json.dumps({"queue_with_its_html": found}))


def peak() -> float:
    """Megabytes that this process has held at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def measured(folder: Path, url: str, many: int) -> dict[str, Any]:
    with closing(Database(url)) as database:
        database.migrate()
        began = time.perf_counter()
        fill(folder, database, undecided=many, decided=many)
        found: dict[str, Any] = {"filling": {"seconds": time.perf_counter() - began}}
        found["take_in_10_messages"] = taking_in(folder, database)
    for reader in ("--queue", "--page"):
        command = [sys.executable, __file__, reader, url]
        found |= json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--queue", help=argparse.SUPPRESS)
    parser.add_argument("--page", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.queue:
        read_queue(options.queue)
        return
    if options.page:
        asyncio.run(read_page(options.page))
        return
    found: dict[str, dict[str, Any]] = {"": verifying()}
    with tempfile.TemporaryDirectory() as folder:
        found["sqlite"] = measured(Path(folder), f"sqlite:///{folder}/provider.sqlite", options.cases)
    with tempfile.TemporaryDirectory() as folder, postgresql.running() as server, server.empty() as url:
        found["postgresql"] = measured(Path(folder), url, options.cases)
    if options.json:
        print(json.dumps(found))
        return
    print(f"{options.cases:,} open cases, and as many decided\n")
    for database, figures in found.items():
        for name, parts in figures.items():
            for part, number in parts.items():
                print(f"{database:>12} {name.replace('_', ' '):>24}  {part.replace('_', ' '):<14} {number:>12,.2f}")


if __name__ == "__main__":
    main()

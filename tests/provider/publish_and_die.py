"""Publishes an epoch many times, and dies at another step each time; a child process for each (run by a test).

The steps are the calls that make something durable or visible: `fsync`, `replace`, and the database's commit. Each
is a step twice: the process dies before it, or right after it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.epochs import MadeEpoch
from harness.provider import ADDRESS, TestClock, address_of, make_settings, small_epoch
from tutela.provider.service import Provider

KILLED = 9


class Countdown:
    """Dies at the given step."""

    def __init__(self, step: int) -> None:
        self.left = step

    def tick(self) -> None:
        self.left -= 1
        if self.left < 0:
            os._exit(KILLED)

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **options: Any) -> Any:
            self.tick()
            result = call(*args, **options)
            self.tick()
            return result

        return stepped


def opened(folder: Path, epoch: MadeEpoch) -> contextlib.closing[Provider]:
    return contextlib.closing(Provider.open(make_settings(folder, epoch), clock=TestClock()))


def publish_and_die(folder: Path, first: MadeEpoch, second: MadeEpoch, step: int) -> None:
    with opened(folder, first) as provider:
        countdown = Countdown(step)
        os.fsync = countdown.around(os.fsync)
        os.replace = countdown.around(os.replace)
        sa.event.listen(sa.Engine, "commit", lambda _: countdown.tick())
        provider.publish(second.envelope, second.segments)
        countdown.tick()
    os._exit(0)


def died(folder: Path, first: MadeEpoch, second: MadeEpoch, step: int) -> bool:
    """Publish in a child; whether it got as far as the step at which it dies."""
    child = os.fork()
    if child == 0:
        publish_and_die(folder, first, second, step)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, KILLED), status
    return os.waitstatus_to_exitcode(status) == KILLED


def visible(provider: Provider) -> tuple[int, dict[str, bytes]]:
    newest = provider.epochs.newest()
    files = {e.digest: provider.epochs.segment(e.digest).path.read_bytes() for e in newest.manifest.segments}
    return newest.number, files


@contextlib.contextmanager
def copied(prepared: Path, to: Path) -> Iterator[None]:
    """Copy a provider's folder, and its database if that is not in there."""
    shutil.copytree(prepared, to)
    if not (address := address_of(prepared)):
        yield
        return
    name = address.partition("?")[0].rpartition("/")[2]
    copy = f"{name}_{to.name}"
    with psycopg.connect(address.replace(f"/{name}?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {copy} TEMPLATE {name}")
        (to / ADDRESS).write_text(address.replace(f"/{name}?", f"/{copy}?"))
        yield
        connection.execute(f"DROP DATABASE {copy} WITH (FORCE)")


def main(root: Path) -> None:
    first = small_epoch()
    second = small_epoch("11" * 32, previous=first, created="2026-01-06T06:00:00Z")
    prepared = root / "prepared"
    prepared.mkdir()
    if (root / ADDRESS).exists():
        shutil.copy(root / ADDRESS, prepared)
    with opened(prepared, first) as provider:
        provider.publish(first.envelope, first.segments)
    found = {"killed": 0, "old": 0, "new": 0, "repaired": 0}
    for step in range(1000):
        folder = root / str(step)
        with copied(prepared, folder):
            if not died(folder, first, second, step):
                break
            found["killed"] += 1
            with opened(folder, first) as provider:
                number, files = visible(provider)
                assert files == {1: first, 2: second}[number].segments
                found["old" if number == 1 else "new"] += 1
                provider.publish(second.envelope, second.segments)
                found["repaired"] += visible(provider) == (2, second.segments)
                provider.collect()
                assert visible(provider) == (2, second.segments)
                assert not list(provider.settings.segments.glob(".*.part"))
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

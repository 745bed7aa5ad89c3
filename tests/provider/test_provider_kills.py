"""Killed while reports come in and decisions are carried out: no report is lost, and no action is done twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from harness.fake_synapse import TOKEN, FakeSynapse, served
from harness.provider import ADDRESS, SERVER, address_of, make_settings, small_epoch
from harness.reports import message, report
from harness.review import ADA, BOB, SUSPEND
from tutela.provider import settings as configuration
from tutela.provider.clock import system_clock
from tutela.provider.database import Database
from tutela.provider.reports.tables import Report
from tutela.provider.review import audit, cases, outbox, policy
from tutela.provider.review.decisions import Decisions
from tutela.provider.review.tables import Action, Case
from tutela.wire import document
from tutela.wire.session import SignIn

pytestmark = pytest.mark.slow

#: What a process is killed in: each before and after everything that it does there.
UNDER_WAY = {
    *("report", "attachment", "propose", "second", "lapse", "appeal", "answer the appeal"),
    *("undo", "second the undoing", "confirm", "take"),
    *(
        f"{step} {kind}"
        for step in ("perform", "settle")
        for kind in (
            *("statement", "correction", "confirmation", "lock", "unlock"),
            *("suspend", "unsuspend", "quarantine", "unquarantine"),
        )
    ),
}


def test_killed_at_every_point(home: Path):
    """Half of the points with each database."""
    part = "1" if (home / ADDRESS).exists() else "0"
    script = Path(__file__).with_name("act_and_die.py")
    done = subprocess.run(
        [sys.executable, script, home, part], capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    killed = json.loads(done.stdout)["killed"]
    assert len(killed) >= 100
    assert {name.partition(", ")[2].partition(":")[0] for name in killed} == UNDER_WAY


# The real service


@dataclass
class Crowd:
    """Reporters who send until they are answered, and reviewers who decide what has come in."""

    database: Database
    http: httpx.AsyncClient
    url: str = ""
    answered: set[str] = field(default_factory=set)
    decided: int = 0

    async def send(self, numbers: Iterator[int]) -> None:
        """Report one after the other."""
        for number in numbers:
            await self.report(number)

    async def report(self, number: int) -> None:
        sent = report(message(number, sender=self.about(number)), number=number, about=self.about(number))
        session = await self._sign_in(number)
        headers = {"authorization": f"Bearer {session}", "content-type": "application/json"}
        await self._insist("/v1/reports", document.encode(sent), headers)
        self.answered.add(sent.id)

    async def _sign_in(self, number: int) -> str:
        for attempt in range(100):
            body = document.encode(SignIn(matrix_server_name=SERVER, access_token=f"mia{number}.{attempt}"))
            answer = await self._insist("/v1/session", body, {"content-type": "application/json"})
            if answer.status_code == 200:
                return str(answer.json()["session"])
            assert answer.json()["code"] == "token-replayed"  # whoever was killed had spent it
        raise AssertionError("nobody signs in")

    async def _insist(self, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await self.http.post(f"{self.url}{path}", content=body, headers=headers)
                if answer.status_code != 503:
                    return answer
            await asyncio.sleep(0.1)

    @staticmethod
    def about(number: int) -> str:
        return f"@u{number}:{SERVER}"

    async def review(self) -> None:
        """Decide on whatever is open, for ever."""
        decisions = Decisions(self.database, system_clock, secrets.token_bytes, policy.load())
        while True:
            decided = await asyncio.to_thread(self._decide, decisions)
            self.decided += decided
            await asyncio.sleep(0 if decided else 0.05)

    def _decide(self, decisions: Decisions) -> int:
        with self.database.reading() as connection:
            found = cases.queue(connection, limit=1)
        for case in found:
            proposed = decisions.propose(ADA, case.id, case.version, SUSPEND)
            decisions.second(BOB, proposed.id, case.version + 1)
        return len(found)

    def waiting(self) -> int:
        return outbox.waiting(self.database)


@contextlib.contextmanager
def serving(config: Path, crowd: Crowd) -> Iterator[subprocess.Popen[str]]:
    """Run `tutela provider serve`, until it is killed."""
    command = [str(Path(sys.executable).with_name("tutela")), "provider", "serve", "--config", str(config), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            crowd.url = json.loads(process.stdout.readline())["listening"]
            yield process
        finally:
            process.kill()
    # As if a minute had passed: what the dead one had under way is taken over.
    with crowd.database.writing() as connection:
        connection.execute(sa.update(Action).where(Action.state == outbox.WAITING).values(after=0))


def configured(home: Path, homeserver: str) -> Path:
    """Write a provider's settings file."""
    settings = make_settings(home, small_epoch())
    token = home / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    values = {
        "name": settings.name,
        "data": str(settings.data),
        "database": address_of(home),
        "homeservers": {SERVER: homeserver},
        "trust_root": str(settings.trust_root),
        "port": 0,
        "access_log": "",
        "console_port": 0,
        "enforcer_homeserver": SERVER,
        "enforcer_token_file": "token",
        "appeal_address": "https://safety.example/appeal/",
    }
    config = home / "provider.toml"
    config.write_text(configuration.template(values))
    return config


async def test_the_real_service_is_killed_five_times(home: Path):
    count = 36
    homeserver = FakeSynapse(home / "homeserver.jsonl")
    with served(homeserver) as address:
        config = configured(home, address)
        database = Database(configuration.load(config, {}).database_url)
        database.migrate()
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            crowd, numbers = Crowd(database, http), iter(range(1, count + 1))
            people = [asyncio.create_task(crowd.send(numbers)) for _ in range(4)]
            reviewing = asyncio.create_task(crowd.review())
            for kill in range(1, 6):
                with contextlib.ExitStack() as stack:
                    process = await asyncio.to_thread(stack.enter_context, serving(config, crowd))
                    while len(homeserver.of("message")) < 6 * kill:
                        assert not reviewing.done(), reviewing.exception()
                        await asyncio.sleep(0.005)
                    process.send_signal(signal.SIGKILL)
                    await asyncio.to_thread(stack.close)
            with contextlib.ExitStack() as stack:
                await asyncio.to_thread(stack.enter_context, serving(config, crowd))
                await asyncio.gather(*people)
                while crowd.decided < count or await asyncio.to_thread(crowd.waiting):
                    assert not reviewing.done(), reviewing.exception()
                    await asyncio.sleep(0.05)
                await asyncio.to_thread(stack.close)
            reviewing.cancel()
        check(database, homeserver, crowd, count)
        database.close()


def check(database: Database, homeserver: FakeSynapse, crowd: Crowd, count: int) -> None:
    audit.verify(database)
    with database.reading() as connection:
        assert set(connection.scalars(sa.select(Report.id))) == crowd.answered
        assert connection.scalar(sa.select(sa.func.count()).select_from(Report)) == count
        assert set(connection.execute(sa.select(Case.reports, Case.open))) == {(1, False)}
        actions = connection.execute(sa.select(Action)).all()
        logged = [
            entry.action for case in range(1, count + 1) for entry in (e.entry for e in audit.of_case(connection, case))
        ]
    assert {action.state for action in actions} == {outbox.DONE}
    assert Counter(logged)["statement"] == Counter(logged)["suspend"] == count
    told = Counter(sent["action"] for sent in homeserver.of("message"))
    assert told == Counter(action.id for action in actions if action.kind == outbox.STATEMENT)
    assert Counter(entry["of"] for entry in homeserver.of("suspended")) == Counter(
        map(crowd.about, range(1, count + 1))
    )
    assert len(homeserver.of("room")) == len(homeserver.of("join")) == count

"""`tutela review`: the golden set and how well decisions agree, at the terminal."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.reports import MIA, report
from harness.review import ADA, BOB, NOTHING
from tutela.cli.main import main
from tutela.cli.provider import read_settings
from tutela.provider.review.policy import ActionKind
from tutela.provider.review.sampling import Choice, Samples
from tutela.provider.service import Provider
from tutela.wire.document import encode
from tutela.wire.report import ReportReason


def tutela(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A provider with one decided case, and one that is open."""
    folder = tmp_path / "service"
    tutela("provider", "init", folder, "--name", "home.example", "--homeserver", "home.example=http://127.0.0.1:1")
    config = folder / "provider.toml"
    with closing(Provider.open(read_settings(config))) as provider:
        for number in (1, 2):
            sent = report(number=number, about=f"@x{number}:home.example", reason=ReportReason.SOMETHING_ELSE)
            provider.reports.take(MIA, encode(sent))
        provider.decisions.propose(ADA, 1, 1, NOTHING)
    return config


def test_the_golden_set_and_what_is_measured(config: Path) -> None:
    said = tutela("review", "golden", 1, "--rule", "no-breach", "--action", "no-action", "--config", config).stdout
    assert "Case 1 is in the golden set: no-breach no-action." in said
    with closing(Provider.open(read_settings(config))) as provider:
        samples = Samples(provider.database, provider.clock, bytes, provider.reports.policy)
        sample = samples.offer(BOB)
        assert sample is not None
        assert "1 second look given out" in tutela("review", "agreement", "--config", config).stdout
        samples.answer(BOB, sample.id, Choice("no-breach", (ActionKind.NO_ACTION,)))

    shown = tutela("review", "agreement", "--config", config).stdout
    assert "100% (21% to 100%)" in shown
    assert "no-breach" in shown
    found = json.loads(tutela("review", "agreement", "--config", config, "--json").stdout)
    assert (found["golden"]["n"], found["golden"]["equal"], found["second"]["n"]) == (1, 1, 0)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((2, "--rule", "no-breach", "--action", "no-action"), 1, "not decided"),
        ((3, "--rule", "no-breach", "--action", "no-action"), 1, "no case 3"),
        ((1, "--rule", "no-such-rule", "--action", "warn"), 1, "no rule"),
        ((1, "--rule", "no-breach", "--action", "ban"), 1, "does not allow"),
        ((1, "--rule", "no-breach", "--action", "shout"), 2, "shout"),
        ((1, "--rule", "no-breach"), 2, "--action"),
    ],
)
def test_what_cannot_be_golden(config: Path, arguments: tuple[object, ...], code: int, said: str) -> None:
    assert said in tutela("review", "golden", *arguments, "--config", config, code=code).output

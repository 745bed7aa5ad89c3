"""Runs every command in `docs/lists.md` and compares what it says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from tutela.cli import console
from tutela.cli.main import main

PAGE = Path(__file__).parents[2] / "docs" / "lists.md"
FENCE = re.compile(r"^```(console|csv)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Clock(datetime):
    """A clock that moves on by an hour each time somebody looks."""

    looked = 0

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        cls.looked += 1
        return datetime(2026, 1, 5, tzinfo=UTC) + timedelta(hours=cls.looked)


def run(command: str) -> tuple[str, int]:
    words = shlex.split(command)
    if words[0] == "tutela":
        result = CliRunner().invoke(main, words[1:])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.output, result.exit_code
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return done.stdout, done.returncode


def expectation(text: str) -> re.Pattern[str]:
    """`…` alone on a line stands for any lines, within a line for anything in it."""
    lines = ["(?s:.*)" if line == "…" else re.escape(line).replace("…", ".+") for line in text.strip().split("\n")]
    return re.compile("\n".join(lines))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "datetime", Clock)
    monkeypatch.setenv("COLUMNS", "120")
    for name in [name for name in os.environ if name.startswith("TUTELA_")]:
        monkeypatch.delenv(name)
    return tmp_path


def test_the_walk_through_works_as_it_is_written(folder: Path) -> None:
    commands = 0
    for kind, name, body in FENCE.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "csv":
            (folder / name).write_text(body, encoding="utf-8")
            continue
        for part in re.split(r"(?m)^\$ ", body)[1:]:
            command, _, expected = part.partition("\n")
            said, code = run(command)
            assert expectation(expected).fullmatch(said.strip()), f"$ {command}\n{said}\nexpected\n{expected}"
            assert code == (1 if re.search("(?m)^Error:", expected) else 0), f"$ {command}\n{said}"
            commands += 1
    assert commands > 25


def test_every_command_is_named_in_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    lists = main.get_command(main.make_context("tutela", ["list", "--help"], resilient_parsing=True), "list")
    assert lists is not None
    missing = [name for name in lists.commands if f"tutela list {name}" not in page]  # type: ignore[attr-defined]
    assert missing == []

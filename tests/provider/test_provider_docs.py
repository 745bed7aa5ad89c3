"""`docs/provider.md` leaves nothing out: settings, routes, error codes, commands, what is stored."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.provider import Stage
from tutela.cli.provider import provider as group
from tutela.provider import settings as configuration
from tutela.provider.errors import EnforcerError, ProviderError, ReviewError
from tutela.provider.problems import STATUS

TEXT = (Path(__file__).parents[2] / "docs" / "provider.md").read_text(encoding="utf-8")


def rows(header: str) -> list[list[str]]:
    """The cells of the table whose first heading is `header`."""
    (table,) = re.findall(rf"^\| {header} \|.*\n\|[-| ]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]


def test_settings():
    documented = {name.strip("`"): default.strip("`") for name, default, _ in rows("setting")}
    assert set(documented) == set(configuration.described())
    fields = configuration.Settings.__dataclass_fields__
    for name, default in documented.items():
        if name not in {"name", "data", "homeservers", "trust_root", "database"}:
            assert default == str(fields[name].default), name
    assert f"{configuration.ENVIRONMENT}<NAME>" in TEXT


def test_codes_and_statuses():
    documented = {code: int(status) for codes, status, _ in rows("code") for code in re.findall(r"`([^`]+)`", codes)}
    assert documented == {kind.code: int(status) for kind, status in STATUS.items()}


def test_operators_errors():
    last = TEXT.strip().splitlines()[-1]
    branches = {"provider", "sign-in", "no-session", "report"}
    kinds, todo = set(), [ProviderError]
    while todo:
        kind = todo.pop()
        if kind in (ReviewError, EnforcerError):
            continue  # the console shows these
        kinds.add(kind.code)
        todo += kind.__subclasses__()
    assert set(re.findall(r"`([^`]+)`", last)) == kinds - {kind.code for kind in STATUS} - branches


async def test_routes(stage: Stage):
    documented = {cell.strip("`") for cell, _ in rows("route")}
    paths = (await stage.http.get("/openapi.json")).json()["paths"]
    assert documented == {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


@pytest.mark.parametrize("command", sorted(group.commands))
def test_commands(command: str):
    assert re.search(rf"`?(tutela provider )?{command}\b", TEXT)


def test_the_log_line_is_one():
    (line,) = re.findall(r"^\{\"time\".*\}$", TEXT, re.MULTILINE)
    fields = re.findall(r'"(\w+)":', line)
    assert fields == ["time", "account", "method", "route", "status", "bytes_in", "bytes_out", "duration_ms"]


def test_dangers_are_named():
    for heading in ("The evasion oracle", "if a key leaks", "What is stored, and for how long", "Backup and restore"):
        assert heading in TEXT

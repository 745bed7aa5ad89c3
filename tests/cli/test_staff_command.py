"""`tutela staff`: who may come into the console, from a terminal."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tutela.cli.main import main
from tutela.cli.staff import staff as group

LINK = re.compile(r"http://localhost:8471/invitation/[A-Za-z0-9_=-]{32}")


def tutela(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "service"
    tutela("provider", "init", folder, "--name", "home.example", "--homeserver", "home.example=http://127.0.0.1:1")
    return folder / "provider.toml"


def invited(config: Path, *more: str) -> dict[str, str]:
    made: dict[str, str] = json.loads(tutela("staff", "invite", *more, "--config", config, "--json").stdout)
    return made


def test_the_first_admin_is_invited_at_the_terminal(config: Path):
    assert "Nobody yet" in tutela("staff", "list", "--config", config).stdout
    said = tutela("staff", "invite", "Anna Example", "--role", "admin", "--config", config).stdout
    assert LINK.search(said)
    (anna,) = json.loads(tutela("staff", "list", "--config", config, "--json").stdout)["staff"]
    assert (anna["name"], anna["role"], anna["organisation"], anna["passkeys"]) == (
        "Anna Example",
        "admin",
        "home.example",
        0,
    )
    listed = tutela("staff", "list", "--config", config).stdout
    assert anna["id"] in listed
    assert "not yet" in listed
    assert not LINK.search(listed)  # it is shown once


def test_invited_again_with_another_link(config: Path):
    first = invited(config, "Anna", "--role", "reviewer")
    again = json.loads(tutela("staff", "invite-again", first["id"], "--config", config, "--json").stdout)
    assert LINK.fullmatch(again["link"])
    assert again["link"] != first["link"]
    assert (again["id"], again["name"], again["hours"]) == (first["id"], "Anna", 72)


def test_dismissed(config: Path):
    invited(config, "Root", "--role", "admin")
    pat = invited(config, "Pat", "--role", "partner", "--organisation", "Helpline")
    assert "Pat cannot come in any more." in tutela("staff", "dismiss", pat["id"], "--config", config).stdout
    everybody = json.loads(tutela("staff", "list", "--config", config, "--json").stdout)["staff"]
    assert [(one["name"], one["dismissed"] is None) for one in everybody] == [("Root", True), ("Pat", False)]
    refused = tutela("staff", "dismiss", pat["id"], "--config", config, "--json", code=1)
    assert json.loads(refused.stdout)["error"]["code"] == "unknown-person"


def test_the_last_admin_stays(config: Path):
    root = invited(config, "Root", "--role", "admin")
    refused = tutela("staff", "dismiss", root["id"], "--config", config, code=1)
    assert "this is the last admin" in refused.stderr
    assert "Hint:" in refused.stderr


@pytest.mark.parametrize("name", ["", "  ", "x" * 121, "a\nb", "\x07"])
def test_what_is_no_name(config: Path, name: str):
    refused = tutela("staff", "invite", name, "--role", "admin", "--config", config, "--json", code=1)
    assert json.loads(refused.stdout)["error"]["code"] == "unknown-person"


def test_wrong_usage(config: Path):
    assert "Missing option '--role'" in tutela("staff", "invite", "Anna", "--config", config, code=2).stderr
    tutela("staff", "invite", "Anna", "--role", "king", "--config", config, code=2)
    tutela("staff", "invite-again", "nobody", "--config", config, code=1)


def test_the_link_is_at_the_consoles_own_address(config: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TUTELA_PROVIDER_CONSOLE_ORIGIN", "https://review.example.org")
    assert invited(config, "Anna", "--role", "admin")["link"].startswith("https://review.example.org/invitation/")
    monkeypatch.delenv("TUTELA_PROVIDER_CONSOLE_ORIGIN")
    monkeypatch.setenv("TUTELA_PROVIDER_CONSOLE_PORT", "0")
    refused = tutela("staff", "invite", "Leo", "--role", "admin", "--config", config, code=1)
    assert "there is no console" in refused.stderr
    monkeypatch.delenv("TUTELA_PROVIDER_CONSOLE_PORT")
    everybody = json.loads(tutela("staff", "list", "--config", config, "--json").stdout)["staff"]
    assert [one["name"] for one in everybody] == ["Anna"]  # nobody was added without a link to give them


def test_help_has_an_example_for_each():
    for name in group.commands:
        text = tutela("staff", name, "--help").stdout
        assert "Example" in text
        assert f"tutela staff {name}" in text
        assert "--json" in text

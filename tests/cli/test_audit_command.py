"""`tutela audit`: the log is verified and signed here, and checked by anybody with two files and a key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import create_engine, text

from tutela.cli.audit import audit as group
from tutela.cli.main import main


def tutela(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A provider that has logged two acts."""
    folder = tmp_path / "service"
    tutela("provider", "init", folder, "--name", "home.example", "--homeserver", "home.example=http://127.0.0.1:1")
    invite(folder / "provider.toml", "Anna")
    invite(folder / "provider.toml", "Leo")
    return folder / "provider.toml"


def invite(config: Path, name: str) -> None:
    tutela("staff", "invite", name, "--role", "admin", "--config", config)


def tamper(config: Path, statement: str) -> None:
    engine = create_engine(f"sqlite:///{config.parent}/data/provider.sqlite")
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def error_of(result: Result) -> str:
    code: str = json.loads(result.stdout)["error"]["code"]
    return code


def test_a_log_that_is_whole(config: Path):
    assert "The log is whole: 2 entries." in tutela("audit", "verify", "--config", config).stdout
    facts = json.loads(tutela("audit", "verify", "--config", config, "--json").stdout)
    assert (facts["whole"], facts["entries"], len(facts["root"])) == (True, 2, 64)


def test_it_follows_a_checkpoint_that_was_kept(config: Path, tmp_path: Path):
    kept = tmp_path / "kept.checkpoint"
    tutela("audit", "checkpoint", "--out", kept, "--config", config)
    assert kept.read_bytes().startswith(b"home.example/audit\n2\n")
    assert tutela("audit", "checkpoint", "--config", config).stdout_bytes == kept.read_bytes()
    invite(config, "Mia")
    assert "3 entries" in tutela("audit", "verify", "--against", kept, "--config", config).stdout


def test_it_is_said_what_was_written_and_which_file_is_no_checkpoint(config: Path, tmp_path: Path):
    kept = tmp_path / "kept.checkpoint"
    assert str(kept) in "".join(tutela("audit", "checkpoint", "--out", kept, "--config", config).stdout.split("\n"))
    key = tutela("audit", "key", "--config", config).stdout.strip()
    leaves = tmp_path / "audit.jsonl"
    tutela("audit", "leaves", "--out", leaves, "--config", config)
    for command in (
        ("verify", "--against", config, "--config", config),
        ("check", leaves, config, "--key", key),
        ("check", leaves, kept, "--key", key, "--against", config),
    ):
        result = tutela("audit", *command, "--json", code=1)
        error = json.loads(result.stdout)["error"]
        assert error["code"] == "malformed-note"
        assert error["message"].startswith(f"{config} is not a checkpoint: ")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_leaf WHERE number = 0",
        "DELETE FROM audit_leaf WHERE number = 1",
        "UPDATE audit_leaf SET time = 5 WHERE number = 0",
        "UPDATE audit_leaf SET leaf = '{}' WHERE number = 0",
        "UPDATE audit_leaf SET hash = zeroblob(32) WHERE number = 0",
        "DELETE FROM audit_head",
    ],
)
def test_a_log_that_was_damaged(config: Path, statement: str):
    tamper(config, statement)
    for command in ("verify", "checkpoint"):
        result = tutela("audit", command, "--config", config, code=1)
        assert "audit log" in result.stderr
    assert error_of(tutela("audit", "verify", "--config", config, "--json", code=1)) == "damaged-audit"


def test_a_log_that_was_begun_anew(config: Path, tmp_path: Path):
    kept = tmp_path / "kept.checkpoint"
    tutela("audit", "checkpoint", "--out", kept, "--config", config)
    (config.parent / "data" / "audit.checkpoint").unlink()
    tamper(config, "DELETE FROM audit_head")
    tamper(config, "DELETE FROM audit_leaf")
    tutela("audit", "verify", "--config", config)  # in itself it is whole
    assert (
        error_of(tutela("audit", "verify", "--against", kept, "--config", config, "--json", code=1)) == "damaged-audit"
    )
    for name in ("Eve", "Eva", "Evi"):
        invite(config, name)
    assert (
        error_of(tutela("audit", "verify", "--against", kept, "--config", config, "--json", code=1)) == "damaged-audit"
    )


@pytest.fixture
def home(config: Path, tmp_path: Path) -> dict[str, Path | str]:
    """What somebody outside has: entries, an older and a newer checkpoint, the key."""
    older, newer, leaves = (tmp_path / name for name in ("older", "newer", "audit.jsonl"))
    tutela("audit", "checkpoint", "--out", older, "--config", config)
    invite(config, "Mia")
    tutela("audit", "checkpoint", "--out", newer, "--config", config)
    tutela("audit", "leaves", "--out", leaves, "--config", config)
    key = tutela("audit", "key", "--config", config).stdout.strip()
    return {"older": older, "newer": newer, "leaves": leaves, "key": key}


def test_checked_from_outside(home: dict[str, Path]):
    common = ("audit", "check", home["leaves"], home["newer"], "--key", home["key"])
    assert "is whole: 3 entries" in tutela(*common).stdout
    facts = json.loads(tutela(*common, "--against", home["older"], "--json").stdout)
    assert (facts["whole"], facts["entries"]) == (True, 3)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        ("leaves", "damaged-audit"),
        ("newer", "forged-note"),
        ("older", "forged-note"),
        ("key", "malformed-key"),
        ("other key", "unsigned-note"),
        ("no file", "storage"),
    ],
)
def test_checked_from_outside_and_refused(home: dict[str, Path], spoil: str, code: str, config: Path, tmp_path: Path):
    key: object = home["key"]
    match spoil:
        case "leaves":
            home["leaves"].write_bytes(home["leaves"].read_bytes().replace(b"invited", b"invitec", 1))
        case "newer" | "older":
            lines = home[spoil].read_text().split("\n")
            lines[1] = "1"
            home[spoil].write_text("\n".join(lines))
        case "key":
            key = f"{key}x"
        case "other key":
            other = tmp_path / "other"
            tutela(
                "provider", "init", other, "--name", "home.example", "--homeserver", "home.example=http://127.0.0.1:1"
            )
            key = tutela("audit", "key", "--config", other / "provider.toml").stdout.strip()
        case "no file":
            home["older"].unlink()
    arguments = ("audit", "check", home["leaves"], home["newer"], "--key", key, "--against", home["older"], "--json")
    assert error_of(tutela(*arguments, code=1)) == code


def test_wrong_usage(home: dict[str, Path]):
    tutela("audit", "check", home["leaves"], code=2)
    assert "Missing option '--key'" in tutela("audit", "check", home["leaves"], home["newer"], code=2).stderr


def test_a_file_is_not_written_over(config: Path, home: dict[str, Path]):
    refused = tutela("audit", "checkpoint", "--out", home["older"], "--config", config, code=1)
    assert "is there already" in refused.stderr


def test_the_key_is_made_once_and_kept_from_others(config: Path):
    key = tutela("audit", "key", "--config", config).stdout
    assert tutela("audit", "key", "--config", config).stdout == key
    path = config.parent / "data" / "audit.key"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    assert "others can read" in tutela("audit", "key", "--config", config, code=1).stderr


def test_a_name_that_cannot_name_a_log_is_told(config: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TUTELA_PROVIDER_NAME", "my home")
    assert "cannot name an audit log" in tutela("audit", "key", "--config", config, code=1).stderr


def test_help_has_an_example_for_each():
    for name in group.commands:
        text = tutela("audit", name, "--help").stdout
        assert "Example" in text
        assert f"tutela audit {name}" in text

"""`tutela authority`."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tutela.cli.main import main


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUTELA_PASSPHRASE_FILE", raising=False)


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["authority", *words])


def create(*more: str) -> Result:
    return run("create", "aurora", "--name", "Aurora Hotline", "--jurisdiction", "FI", *more)


def test_a_key_is_for_its_owner_alone_and_the_descriptor_for_everybody() -> None:
    result = create("--json")
    assert result.exit_code == 0
    told = json.loads(result.output)
    assert (told["key"], told["descriptor"], told["encrypted"]) == ("aurora.pem", "aurora.json", False)
    assert stat.S_IMODE(Path("aurora.pem").stat().st_mode) == 0o600
    described = json.loads(Path("aurora.json").read_text())
    assert described == {
        "id": "aurora",
        "name": "Aurora Hotline",
        "jurisdiction": "FI",
        "public_key": told["public_key"],
    }
    shown = json.loads(run("show", "aurora.pem", "--json").output)
    assert shown == {"public_key": told["public_key"], "key_id": told["key_id"]}
    assert json.loads(run("show", "aurora.json", "--json").output) == described | {"key_id": told["key_id"]}
    assert f"key id  {told['key_id']}" in run("show", "aurora.pem").output


def test_a_key_is_never_written_over() -> None:
    assert create().exit_code == 0
    before = Path("aurora.pem").read_bytes()
    result = create()
    assert result.exit_code == 1
    assert "aurora.pem is there already" in result.output
    assert "tutela authority show aurora.pem" in result.output
    Path("aurora.json").unlink()
    assert create().exit_code == 1
    Path("aurora.pem").rename("kept.pem")
    Path("aurora.json").touch()
    assert "aurora.json is there already" in create().output
    assert not Path("aurora.pem").exists()
    Path("kept.pem").rename("aurora.pem")
    assert Path("aurora.pem").read_bytes() == before


def test_a_key_under_a_passphrase_is_opened_with_it() -> None:
    Path("passphrase").write_text("correct horse\n")
    Path("wrong").write_text("battery staple\n")
    assert json.loads(create("--passphrase-file", "passphrase", "--json").output)["encrypted"] is True
    assert "ENCRYPTED" in Path("aurora.pem").read_text()
    assert run("show", "aurora.pem", "--passphrase-file", "passphrase").exit_code == 0
    for more in ([], ["--passphrase-file", "wrong"]):
        result = run("show", "aurora.pem", *more)
        assert result.exit_code == 1
        assert "passphrase" in result.output


def test_encrypting_without_a_passphrase_is_wrong_usage() -> None:
    result = create("--encrypt")
    assert result.exit_code == 2
    assert not Path("aurora.pem").exists()
    assert run("show", str(Path.cwd())).exit_code == 2


def test_a_passphrase_file_that_is_not_there_is_wrong_usage() -> None:
    assert create("--passphrase-file", "none").exit_code == 2


@pytest.mark.parametrize(
    ("authority_id", "name", "jurisdiction"),
    [
        ("Aurora", "Aurora", "FI"),
        ("../aurora", "Aurora", "FI"),
        ("", "Aurora", "FI"),
        ("aurora", "", "FI"),
        ("aurora", "x" * 121, "FI"),
        ("aurora", "Aurora", "Finland"),
        ("aurora", "Aurora", "fi"),
        ("aurora", "Aurora", "ZZ"),
    ],
)
def test_what_cannot_describe_an_authority_is_wrong_usage(authority_id: str, name: str, jurisdiction: str) -> None:
    result = run("create", authority_id, "--name", name, "--jurisdiction", jurisdiction)
    assert result.exit_code == 2
    assert "will not do" in result.output or "the code of no country" in result.output
    assert "regex" not in result.output
    assert list(Path.cwd().iterdir()) == []


def test_what_is_neither_descriptor_nor_key_is_refused() -> None:
    Path("file").write_text("hello")
    result = run("show", "file")
    assert result.exit_code == 1
    assert "file is neither a descriptor nor a key" in result.output

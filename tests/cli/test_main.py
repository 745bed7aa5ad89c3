"""The command itself: quick help, and a clear hint when an extra is missing."""

from __future__ import annotations

import errno
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from tutela import __version__
from tutela.cli import main as cli
from tutela.cli.console import Command, Group, tell_error
from tutela.cli.main import SUB_COMMANDS, main
from tutela.errors import TutelaError


def test_help_names_every_command_and_imports_none() -> None:
    program = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from tutela.cli.main import main\n"
        "result = CliRunner().invoke(main, ['--help'])\n"
        "print(result.output)\n"
        "heavy = {'numpy', 'rich', 'cryptography', 'msgspec', 'sqlalchemy', 'fastapi', 'nio'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else result.exit_code)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("authority", "list"):
        assert f"  {name} " in done.stdout


def test_the_version_is_told() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert (result.exit_code, result.output) == (0, f"tutela, version {__version__}\n")


def test_an_unknown_command_is_wrong_usage() -> None:
    result = CliRunner().invoke(main, ["nonsense"])
    assert result.exit_code == 2
    assert "No such command" in result.output


@pytest.mark.parametrize("name", sorted(SUB_COMMANDS))
def test_each_command_that_is_here_loads_and_has_help(name: str) -> None:
    context = click.Context(main)
    if name not in main.list_commands(context):
        assert main.get_command(context, name) is None
        return
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("Usage: ")


def test_a_missing_extra_is_told_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise ModuleNotFoundError("No module named 'fastapi'", name="fastapi")

    monkeypatch.setitem(SUB_COMMANDS, "provider", cli._Sub("tutela.cli.lists", "lists", "…", "provider"))
    monkeypatch.setattr(cli.importlib, "import_module", missing)
    result = CliRunner().invoke(main, ["provider"])
    assert result.exit_code == 1
    assert "tutela provider needs fastapi, which is not installed." in result.output
    assert 'pip install ".[provider]"' in result.output


def test_a_broken_import_of_our_own_is_not_blamed_on_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise ModuleNotFoundError("No module named 'tutela.nowhere'", name="tutela.nowhere")

    monkeypatch.setitem(SUB_COMMANDS, "provider", cli._Sub("tutela.cli.lists", "lists", "…", "provider"))
    monkeypatch.setattr(cli.importlib, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        CliRunner().invoke(main, ["provider"], catch_exceptions=False)


@pytest.mark.parametrize("name", ["", "authority", "list", "provider", "device"])
def test_no_help_is_cut_off(name: str) -> None:
    result = CliRunner().invoke(main, [*([name] if name else []), "--help"], terminal_width=80)
    assert result.exit_code == 0
    assert "..." not in result.output.partition("Commands:")[2]


def test_a_full_temporary_folder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cli.importlib, "import_module", full)
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    assert "tutela doctor cannot be loaded: No space left on device." in result.output
    assert "TMPDIR" in result.output


@click.group(cls=Group)
def failing() -> None:
    """Fails."""


@failing.command()
@click.option("--json", "as_json", is_flag=True)
def fail(as_json: bool) -> None:
    """Fail."""
    raise TutelaError("it does [not] hold", hint="try [again]")


def test_errors_are_one_sentence_and_a_hint() -> None:
    assert failing.command_class is Command
    result = CliRunner().invoke(failing, ["fail"])
    assert result.exit_code == 1
    assert result.stderr == "Error: it does [not] hold\nHint:  try [again]\n"
    assert result.stdout == ""


def test_errors_are_json_for_machines() -> None:
    result = CliRunner().invoke(failing, ["fail", "--json"])
    assert result.exit_code == 1
    assert result.stdout == ('{"error": {"code": "tutela", "message": "it does [not] hold", "hint": "try [again]"}}\n')


def test_an_error_without_a_hint_gives_none(capsys: pytest.CaptureFixture[str]) -> None:
    tell_error(TutelaError("it does not hold"), as_json=False)
    assert capsys.readouterr().err == "Error: it does not hold\n"

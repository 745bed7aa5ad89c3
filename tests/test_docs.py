"""Documentation that fails: links lead somewhere, named tests exist, stated limits are the real ones."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import click
import pytest

from tutela.cli.main import main
from tutela.errors import TutelaError
from tutela.lists import defaults
from tutela.signals.image import DEFAULT_LIMITS
from tutela.wire.check import request_bytes

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def heading_ids(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", text):
        link = target[0] or target[1]
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name}: {link}"
        if fragment:
            assert fragment in heading_ids(file), f"{page.name}: {link}"


def test_tests_that_the_security_page_names_exist():
    defined = {
        node.name
        for file in ROOT.glob("tests/**/test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    } | {file.stem for file in ROOT.glob("tests/**/test_*.py")}
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/security.md").read_text()))
    assert named
    assert named <= defined


def test_every_decision_is_in_the_index():
    pages = {p.name for p in (ROOT / "docs/decisions").glob("0*.md")}
    assert pages == set(re.findall(r"\((0\d+-[\w-]+\.md)\)", (ROOT / "docs/decisions/README.md").read_text()))


def test_figures_in_the_text_are_those_in_the_code():
    readme, device, security = ((ROOT / p).read_text() for p in ("README.md", "docs/device.md", "docs/security.md"))
    size = f"{request_bytes(defaults.PARAMETERS.batch):,} bytes"
    assert size in readme
    assert f"{DEFAULT_LIMITS.bytes >> 20} MiB and {DEFAULT_LIMITS.pixels // 1_000_000} megapixels" in device
    assert f"({defaults.POLICY.checks_per_hour} checks an hour as shipped" in security
    assert f"({defaults.POLICY.cover_checks_per_day} a day)" in security


def test_commands_in_the_text_exist():
    text = "\n".join(page.read_text() for page in PAGES)
    context = click.Context(main)
    for name, sub in set(re.findall(r"^(?:    |\$ )tutela ([a-z]+)(?: ([a-z-]+))?", text, re.MULTILINE)):
        command = main.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group) and sub:
            assert sub in command.commands, f"{name} {sub}"


def test_every_command_has_help_with_an_example():
    def leaves(command: click.Command) -> list[click.Command]:
        if isinstance(command, click.Group):
            context = click.Context(command)
            return [leaf for n in command.list_commands(context) for leaf in leaves(command.get_command(context, n))]
        return [command]

    for command in leaves(main):
        assert command.help, command.name
        assert re.search(r"Examples?:|tutela ", command.help), f"{command.name} shows no example"


def test_error_codes_are_their_own():
    def below(kind: type[TutelaError]) -> list[type[TutelaError]]:
        return [kind, *(deeper for sub in kind.__subclasses__() for deeper in below(sub))]

    kinds = {kind for kind in below(TutelaError) if kind.__module__.startswith("tutela.")}
    for kind in kinds:
        assert re.fullmatch(r"[a-z][a-z-]*", kind.code), kind
        assert kind.__doc__ or kind.__name__.startswith("_"), kind


def test_the_repository_names_no_machine():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    for name in filter(None, tracked):
        data = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        assert not re.search(rb"(?<![\w.])/(root|home/\w+|work)/", data), name
        if name.endswith("package-lock.json"):
            assert b'"resolved"' not in data, name
        if name.startswith("requirements/"):
            assert b"http" not in re.sub(rb"httpcore|httpx", b"", data) or b"://" not in data, name

"""`tutela list hash`: what authorities vouch for when they hold different copies of a picture."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from signals.image.pictures import file_of, photograph
from tutela.cli.main import main
from tutela.lists import defaults
from tutela.matching.bands import bits_of_many
from tutela.matching.shield import scheme_of
from tutela.signals.image import luminance, pdq_of_list_item, views

SCHEME = scheme_of(defaults.PARAMETERS)
ROCKET = file_of(photograph("rocket"), "PNG")
SMALL = file_of(photograph("rocket").resize((160, 107), Image.Resampling.LANCZOS), "JPEG", quality=85)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUTELA_LIST", "list")
    monkeypatch.setenv("COLUMNS", "120")


def ask(*words: str, exit_code: int = 0) -> dict[str, Any]:
    Path("hashes.csv").unlink(missing_ok=True)
    result = CliRunner().invoke(main, ["list", "hash", *words, "--out", "hashes.csv", "--json"])
    assert result.exit_code == exit_code, result.output
    told = json.loads(result.stdout)
    assert isinstance(told, dict)
    return told


def hashes(*words: str) -> set[str]:
    ask(*words)
    return {row["pdq"] for row in csv.DictReader(Path("hashes.csv").read_text().splitlines())}


def bands_in_common(one: set[str], other: set[str]) -> int:
    """How many bands have a pattern that both submitted, in any of their hashes."""
    both = [SCHEME.patterns(bits_of_many(sorted(some))) for some in (one, other)]
    return sum(bool({*both[0][:, k].tolist()} & {*both[1][:, k].tolist()}) for k in range(SCHEME.bands))


def test_copies_of_other_sizes_agree_by_the_second_hash() -> None:
    Path("large.png").write_bytes(ROCKET)
    Path("small.jpg").write_bytes(SMALL)
    plain = [{pdq_of_list_item(copy).hex} for copy in (ROCKET, SMALL)]
    assert bands_in_common(*plain) == 0
    assert bands_in_common(hashes("large.png"), hashes("small.jpg")) >= defaults.PARAMETERS.bands_needed


def test_the_first_hash_is_the_one_that_everybody_else_computes() -> None:
    Path("a.png").write_bytes(ROCKET)
    assert hashes("a.png") == {pdq_of_list_item(ROCKET).hex, views(luminance(ROCKET))[0].pdq.hex}
    assert hashes("a.png", "--crops") == {pdq_of_list_item(ROCKET).hex, *(v.pdq.hex for v in views(luminance(ROCKET)))}


def test_folders_are_read_to_the_bottom_and_a_picture_counts_once() -> None:
    for name in ("pictures/a.png", "pictures/more/again.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(ROCKET)
    told = ask("pictures")
    assert (told["pictures"], told["hashes"]) == (2, 2)
    assert Path("hashes.csv").stat().st_mode & 0o077 == 0


def test_notes_that_a_system_left_in_a_folder_are_passed_over() -> None:
    Path("pictures").mkdir()
    Path("pictures/a.png").write_bytes(ROCKET)
    Path("pictures/.DS_Store").write_bytes(b"a note")
    assert ask("pictures")["bad"] == []
    assert ask("pictures/.DS_Store", exit_code=1)["error"]["bad"][0]["file"] == "pictures/.DS_Store"


def test_what_is_no_picture_is_refused_or_left_out() -> None:
    Path("a.png").write_bytes(ROCKET)
    Path("notes.txt").write_text("no picture")
    refused = ask("a.png", "notes.txt", exit_code=1)["error"]
    assert refused["code"] == "feed"
    assert [bad["file"] for bad in refused["bad"]] == ["notes.txt"]
    assert not Path("hashes.csv").exists()
    told = ask("a.png", "notes.txt", "--skip-bad")
    assert [bad["file"] for bad in told["bad"]] == ["notes.txt"]
    assert told["hashes"] == 2


def test_pictures_too_plain_to_be_told_apart_are_left_out() -> None:
    Path("grey.png").write_bytes(file_of(Image.new("RGB", (64, 64), "grey"), "PNG"))
    refused = ask("grey.png", exit_code=1)["error"]
    assert refused["code"] == "feed"
    assert "1 picture too plain to be told apart" in refused["message"]
    assert "the best has quality 0, and 50 is the least" in refused["message"]
    assert "--minimum-quality" in refused["hint"]
    Path("a.png").write_bytes(ROCKET)
    told = ask("grey.png", "a.png")
    assert (told["flat"], told["pictures"]) == (1, 1)
    assert ask("grey.png", "a.png", "--minimum-quality", "0")["flat"] == 0


def test_an_empty_folder_is_told() -> None:
    Path("pictures").mkdir()
    assert ask("pictures", exit_code=1)["error"]["message"] == "there is no file in pictures"
    Path("pictures/notes.txt").write_text("no picture")
    refused = ask("pictures", "--skip-bad", exit_code=1)["error"]
    assert refused["message"] == "none of the files can be read as a picture; nothing was written"


def test_a_file_is_never_written_over() -> None:
    Path("a.png").write_bytes(ROCKET)
    ask("a.png")
    before = Path("hashes.csv").read_bytes()
    result = CliRunner().invoke(main, ["list", "hash", "a.png", "--crops", "--out", "hashes.csv"])
    assert result.exit_code == 1
    assert "hashes.csv is there already" in result.stderr
    assert Path("hashes.csv").read_bytes() == before


def test_people_are_told_what_was_written_and_what_was_not() -> None:
    Path("a.png").write_bytes(ROCKET)
    Path("grey.png").write_bytes(file_of(Image.new("RGB", (64, 64), "grey"), "PNG"))
    Path("notes.txt").write_text("no picture")
    words = ["list", "hash", "a.png", "grey.png", "notes.txt", "--skip-bad", "--out", "hashes.csv"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0
    assert result.stderr.startswith("notes.txt: ")
    assert result.stdout.splitlines() == [
        "hashes.csv: 2 hashes of 1 picture.",
        "1 picture too plain to be told apart left out (quality under 50).",
        "1 file that cannot be read left out.",
        "Import it with: tutela list import hashes.csv --as ID --out draft.json",
    ]


def test_a_picture_is_withdrawn_by_what_its_hashing_wrote() -> None:
    def run(*words: str, exit_code: int = 0) -> str:
        result = CliRunner().invoke(main, list(words))
        assert result.exit_code == exit_code, result.output
        return result.output

    Path("a picture.png").write_bytes(ROCKET)
    run("list", "init", "list", "--provider", "provider.example")
    run("authority", "create", "aurora", "--name", "Aurora", "--jurisdiction", "FI")
    run("list", "admit", "aurora.json")
    ask("a picture.png")
    run("list", "import", "hashes.csv", "--as", "aurora", "--out", "draft.json")
    run("list", "sign", "draft.json", "--key", "aurora.pem", "--out", "signed.json")
    run("list", "submit", "signed.json")
    words = ("list", "withdraw", "--as", "aurora", "--out", "draft.json")
    said = run(*words, "--from", "a picture.png", exit_code=1)
    assert "this looks like a PNG picture" in said
    assert "tutela list hash 'a picture.png' --out hashes.csv" in said
    assert "tutela list hash PICTURE --out" in run(*words, "a picture.png", exit_code=1)
    assert "which withdraws 2 hashes." in run(*words, "--from", "hashes.csv")


def test_two_authorities_with_other_copies_list_the_picture() -> None:
    """From pictures to a built epoch's list."""

    def run(*words: str) -> None:
        result = CliRunner().invoke(main, list(words))
        assert result.exit_code == 0, result.output

    Path("large.png").write_bytes(ROCKET)
    Path("small.jpg").write_bytes(SMALL)
    run("list", "init", "list", "--provider", "provider.example")
    for name, jurisdiction, copy in (("aurora", "FI", "large.png"), ("boreal", "CA", "small.jpg")):
        run("authority", "create", name, "--name", name.title(), "--jurisdiction", jurisdiction)
        run("list", "admit", f"{name}.json")
        ask(copy)
        run("list", "import", "hashes.csv", "--as", name, "--out", "draft.json")
        run("list", "sign", "draft.json", "--key", f"{name}.pem", "--out", "signed.json")
        run("list", "submit", "signed.json")
    told = CliRunner().invoke(main, ["list", "vouches", "--json"])
    listed = [group for group in json.loads(told.stdout)["agreed"] if group["listed"]]
    assert sum(group["hashes"] for group in listed) >= 2

"""`tutela conversation` as a developer and a researcher type it."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tutela.cli import conversation as its_module
from tutela.cli.main import main
from tutela.research import learning, synthesis
from tutela.research.everyday import shipped_everyday
from tutela.research.tagging import of_phrases

LINES = (
    "< hey how old r u\n> im 13\n< you seem so mature for your age. not like other kids\n< are your parents home?\n"
    "< dont tell your mum about us, they wouldnt understand\n< do u have snapchat? its more private\n"
)


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(main, ["conversation", *arguments], input=stdin)


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("chats") / "chats.jsonl"
    result = run("generate", "120", "--language", "en", "--out", str(path))
    assert result.exit_code == 0, result.output
    return path


def test_try_shows_signals_stages_and_the_nudge():
    result = run("try", stdin=LINES)
    assert result.exit_code == 0, result.output
    for text in ("asks-age", "hide-from-parents", "Secrecy", "Tell somebody I trust"):
        assert text in result.output


def test_try_for_machines_and_in_french():
    result = run("try", "--json", "--words", "fr", stdin=LINES + "/reset\n< hello\n")
    told = [json.loads(line) for line in result.output.splitlines() if line.startswith("{")]
    assert [one["side"] for one in told[:2]] == ["other", "own"]
    assert told[-1]["level"] == "quiet"
    assert told[-1]["message"] == 1
    advice = [one["advice"] for one in told if one["advice"]]
    assert advice
    assert advice[-1]["title"] not in ("Take a moment", "You can stop here")


def test_try_knows_its_commands():
    result = run("try", stdin="/age child\n/words fr\n/unknown\n/quit\n< not read\n")
    assert "Commands: /age" in result.output
    assert "not read" not in result.output


def test_what_is_generated_can_be_measured(chats: Path, tmp_path: Path):
    result = run("evaluate", str(chats), "--jobs", "1", "--json", "--plots", str(tmp_path / "plots"))
    assert result.exit_code == 0, result.output
    facts = json.loads(result.output.splitlines()[-1])
    assert facts["conversations"] == 120
    assert {"auc", "f05", "precision", "recall", "erde_5", "latency_f1", "false_alarms", "before_request"} <= set(facts)
    assert set(facts["by_language"]) == {"en"}
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"roc.svg", "calibration.svg", "scores.svg"}


def test_figures_for_people_quote_no_chat(chats: Path):
    result = run("evaluate", str(chats), "--jobs", "1")
    assert result.exit_code == 0, result.output
    for text in ("AUC", "F0.5", "found before the request", "False alarms per 1,000", "By kind"):
        assert text in result.output
    said = [message["text"] for line in chats.read_text().splitlines() for message in json.loads(line)["messages"]]
    assert not any(text in result.output for text in said if len(text) > 25)


def test_segments_are_measured(tmp_path: Path):
    path = tmp_path / "segments.csv"
    path.write_text("segment,label\n" + "how old are you dont tell your mum are you alone,1\nnice weather,0\n" * 3)
    facts = json.loads(run("evaluate", str(path), "--jobs", "1", "--json", "--language", "en").output)
    assert facts["auc"] == 1.0
    assert not facts["authors_known"]


def test_a_model_is_trained_and_used(chats: Path, tmp_path: Path):
    out = tmp_path / "mine.json"
    result = run("train", str(chats), "--out", str(out), "--jobs", "1", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output.splitlines()[-1])["weights"] > 10
    assert run("evaluate", str(chats), "--model", str(out), "--jobs", "1").exit_code == 0
    again = run("train", str(chats), "--out", str(out), "--jobs", "1")
    assert again.exit_code == 1
    assert "there already" in again.output or "exists" in again.output


def test_tagger_and_weights_are_learned_and_used(chats: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(learning, "BANKS", ("en",))
    monkeypatch.setattr("tutela.research.tagging._STEPS", 6)
    monkeypatch.setattr(its_module, "shipped_everyday", lambda: shipped_everyday()[:30])
    monkeypatch.setattr(learning, "of_phrases", lambda *given: islice(of_phrases(*given), 0, None, 40))  # all take long
    scripts = [str(path) for path in sorted(Path(synthesis.__file__).parent.glob("dialogues/en-*.dialogues"))[:6]]
    out = tmp_path / "learned"
    result = run("learn", *scripts, "--chats", "300", "--jobs", "1", "--out", str(out), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output.splitlines()[-1])["weights"] > 10
    used = ("--model", str(out / "model.json"), "--tagger", str(out / "tagger.npz"), "--jobs", "1", "--json")
    result = run("evaluate", str(chats), *used)
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["auc"] > 0.6
    assert run("learn", *scripts, "--chats", "300", "--jobs", "1", "--out", str(out)).exit_code == 1
    (out / "tagger.npz").write_bytes(b"no tagger")
    result = run("evaluate", str(chats), *used)
    assert result.exit_code == 1
    assert "not a tagger" in result.output


def test_a_language_file_is_checked(tmp_path: Path):
    shipped = Path(__file__).parents[2] / "src/tutela/signals/conversation/languages/en.toml"
    assert "well formed" in run("check", str(shipped)).output
    broken = tmp_path / "sv.toml"
    broken.write_text(shipped.read_text().replace("phrases = [", 'phrases = ["how (old", ', 1))
    result = run("check", str(broken))
    assert result.exit_code == 1
    assert "how (old" in result.output


def test_every_state_on_one_page(tmp_path: Path):
    out = tmp_path / "guard.html"
    assert run("design", str(out), "--words", "fr").exit_code == 0
    assert 'lang="fr"' in out.read_text()
    assert run("design", str(out)).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("evaluate",), 2),
        (("evaluate", "no-such-file.csv"), 1),
        (("evaluate", "--synthetic", "0"), 2),
        (("train", "--synthetic", "4", "--out", "x.json", "--jobs", "1"), 1),
        (("generate", "0"), 2),
        (("check", "no-such.toml"), 1),
        (("try", "--model", "no-such.json"), 1),
    ],
)
def test_what_cannot_be_done_is_told(
    arguments: tuple[str, ...], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == code
    assert "Traceback" not in result.output


def test_help_has_examples():
    for command in ((), ("try",), ("evaluate",), ("train",), ("generate",), ("check",), ("design",)):
        assert "tutela conversation" in run(*command, "--help").output

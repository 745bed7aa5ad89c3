"""`tutela list`: exit codes, JSON, and refusals as a person meets them. The whole way is in `docs/lists.md`."""

from __future__ import annotations

import errno
import json
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from harness.epochs import SIGNERS, make_hashes
from tutela.cli import console
from tutela.cli.main import main
from tutela.lists import submission
from tutela.lists.epoch import Settings
from tutela.lists.workspace import Workspace
from tutela.wire.submission import Item

A, B, C, D, E = make_hashes(5)


class Clock(datetime):
    """A clock that moves on by some time each time somebody looks."""

    at = datetime(2026, 1, 5, tzinfo=UTC)
    step = timedelta(hours=1)

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        cls.at += cls.step
        return cls.at


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "datetime", Clock)
    monkeypatch.setenv("TUTELA_LIST", "list")
    monkeypatch.setenv("COLUMNS", "120")


def run(*words: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(main, list(words))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.output
    return result


def ask(*words: str, exit_code: int = 0) -> dict[str, Any]:
    told = json.loads(run("list", *words, "--json", exit_code=exit_code).stdout)
    assert isinstance(told, dict)
    return told


def test_workers_import_nothing_from_the_lists_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is the provider's to hand out, and an authority runs the audit in it."""
    workspace = Workspace.create(tmp_path / "list", Settings(provider="family.example"))
    for signer in SIGNERS:
        workspace.admit(signer.authority)
        vouched = [Item(pdq=pdq, quality=90) for pdq in make_hashes(200)]  # more than one batch of band entries
        made = workspace.chain(signer.authority.id).next(created="2026-01-05T06:00:00Z", vouched=vouched)
        workspace.submit(submission.seal(made, signer.key))
    (workspace.root / "multiprocessing.py").write_text("open('imported', 'w')")
    program = tmp_path / "tutela.program.py"
    program.write_text("from tutela.cli.main import main\nif __name__ == '__main__':\n    main()\n")
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.delenv("TUTELA_LIST")
    command = [sys.executable, str(program), "list", "build", "--workers", "2"]
    subprocess.run(command, cwd=workspace.root, check=True, capture_output=True)
    assert workspace.epochs() == [1]
    assert not (workspace.root / "imported").exists()


def refuse(*words: str, code: str) -> str:
    error = ask(*words, exit_code=1)["error"]
    assert error["code"] == code, error
    assert run("list", *words, exit_code=1).stderr.count("Error:") == 1
    return str(error["message"])


def vouch(authority: str, csv: str, *more: str) -> dict[str, Any]:
    Path("feed.csv").write_text(csv)
    told = ask("import", "feed.csv", "--as", authority, "--out", "draft.json", *more)
    hand_in(authority)
    return told


def hand_in(authority: str) -> None:
    ask("sign", "draft.json", "--key", f"{authority}.pem", "--out", "signed.json")
    ask("submit", "signed.json")


@pytest.fixture
def made() -> None:
    """A list with two authorities that both vouch for A and B, and an epoch that nobody signed yet."""
    ask("init", "list", "--provider", "provider.example")
    for name, jurisdiction in (("aurora", "FI"), ("boreal", "CA")):
        run("authority", "create", name, "--name", name.title(), "--jurisdiction", jurisdiction)
        ask("admit", f"{name}.json")
        vouch(name, f"pdq\n{A}\n{B}\n")
    ask("build")


# The list.


def test_a_list_is_made_with_the_rule_that_is_asked_for() -> None:
    ask("init", "list", "--provider", "p.example", "--authorities", "3", "--jurisdictions", "3", "--distance", "10")
    settings = json.loads(Path("list/list.json").read_text())
    assert settings["agreement"] == {
        "authorities": 3,
        "jurisdictions": 3,
        "same_item_distance": 10,
        "minimum_quality": 50,
    }


def test_a_rule_below_two_of_two_is_refused() -> None:
    refuse("init", "list", "--provider", "p.example", "--authorities", "1", code="weak-rule")
    assert not Path("list").exists()


@pytest.mark.parametrize("more", [["--distance", "32"], ["--minimum-quality", "101"], ["--provider", ""]])
def test_impossible_settings_are_wrong_usage(more: list[str]) -> None:
    run("list", "init", "list", "--provider", "p.example", *more, exit_code=2)
    assert not Path("list").exists()


@pytest.mark.parametrize(
    "name", ["https://family.example", "https://family.example/", "family.example/", "my provider"]
)
def test_an_address_is_no_providers_name(name: str) -> None:
    result = run("list", "init", "list", "--provider", name, exit_code=2)
    assert "a provider's name is a domain alone, as devices know it, such as family.example" in result.stderr
    homeserver = ("--homeserver", "family.example=http://127.0.0.1:1")
    assert "a domain alone" in run("provider", "init", "service", "--name", name, *homeserver, exit_code=2).stderr
    assert list(Path.cwd().iterdir()) == []


def test_a_list_is_not_made_twice(made: None) -> None:
    refuse("init", "list", "--provider", "p.example", code="already-there")


def test_a_folder_without_a_list_is_told() -> None:
    message = refuse("status", code="workspace")
    assert message == "list holds no list"
    result = run("list", "status", "--list", ".", exit_code=1)
    assert "the current folder holds no list" in result.stderr
    assert "tutela list init FOLDER" in result.stderr


def test_what_describes_nobody_is_not_admitted(made: None) -> None:
    Path("zephyr.json").write_text("{}")
    refuse("admit", "zephyr.json", code="key-file")
    refuse("admit", "aurora.json", code="already-there")
    Path("zephyr.json").write_text(Path("aurora.json").read_text().replace("FI", "ZZ"))
    assert "'ZZ' is the code of no country" in refuse("admit", "zephyr.json", code="unknown-country")


@pytest.mark.parametrize("more", [[], ["--passphrase-file", "passphrase"]])
def test_a_secret_key_is_not_admitted_and_told_to_be_one(more: list[str]) -> None:
    Path("passphrase").write_text("correct horse\n")
    ask("init", "list", "--provider", "provider.example")
    run("authority", "create", "aurora", "--name", "Aurora", "--jurisdiction", "FI", *more)
    hint = ask("admit", "aurora.pem", exit_code=1)["error"]["hint"]
    assert refuse("admit", "aurora.pem", code="key-file") == "aurora.pem is a SECRET key, not a descriptor"
    assert "aurora.json" in hint
    assert "not secret any more" in hint


# Submissions.


def test_bad_rows_refuse_the_whole_file_and_are_told_by_line(made: None) -> None:
    Path("feed.csv").write_text(f"pdq,quality\n{C},90\nzz,90\n{D},5\n")
    result = run("list", "import", "feed.csv", "--as", "aurora", "--out", "new.json", exit_code=1)
    assert "Line 3: 'zz' is not a PDQ hash" in result.stderr
    assert "Line 4: the quality 5 is below the rule's minimum of 50" in result.stderr
    assert "2 of 3 rows cannot be used; nothing was imported" in result.stderr
    assert not Path("new.json").exists()
    error = ask("import", "feed.csv", "--as", "aurora", "--out", "new.json", exit_code=1)["error"]
    assert [row["line"] for row in error["bad_rows"]] == [3, 4]
    told = ask("import", "feed.csv", "--as", "aurora", "--skip-bad", "--out", "new.json")
    assert (told["items"], told["bad"], [row["line"] for row in told["bad_rows"]]) == (1, 2, [3, 4])
    text = run("list", "import", "feed.csv", "--as", "aurora", "--skip-bad", "--out", "new.json").output
    assert "2 rows with a mistake left out." in text


def test_a_whole_export_may_be_imported_each_time(made: None) -> None:
    told = vouch("aurora", f"pdq\n{A}\n{B}\n{C}\n{C}\n")
    assert (told["number"], told["items"], told["standing"], told["repeated"]) == (2, 1, 2, 1)
    Path("feed.csv").write_text(f"pdq\n{A}\n")
    refuse("import", "feed.csv", "--as", "aurora", "--out", "draft.json", code="feed")


def test_more_than_one_submission_holds_is_left_for_the_next(made: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tutela.wire.limits.SUBMISSION_ITEMS", 2)
    feed = "".join(f"{pdq}\n" for pdq in ("pdq", C, D, E))
    assert vouch("aurora", feed)["left_for_later"] == 1
    assert vouch("aurora", feed)["items"] == 1


def test_a_file_in_utf_16_is_told(made: None) -> None:
    Path("feed.csv").write_text(f"pdq\n{C}\n", encoding="utf-16")
    assert "UTF-16" in refuse("import", "feed.csv", "--as", "aurora", "--out", "draft.json", code="feed")


def test_what_is_no_text_is_told(made: None) -> None:
    Image.new("RGB", (8, 8)).save("picture.jpg")
    result = run("list", "import", "picture.jpg", "--as", "aurora", "--out", "draft.json", exit_code=1)
    assert "this looks like a JPEG picture" in result.stderr
    assert "tutela list hash" in result.stderr
    Path("feed.csv").write_bytes(b"pdq,name with a \x00 in it\n")
    assert "not a CSV text file" in refuse("import", "feed.csv", "--as", "aurora", "--out", "draft.json", code="feed")


def test_the_quality_of_rows_without_one_can_be_given(made: None) -> None:
    vouch("aurora", f"pdq\n{C}\n", "--assume-quality", "77")
    assert '"quality":77' in Path("draft.json").read_text()


def test_what_comes_next_is_said_so_that_it_works(made: None) -> None:
    Path("feed.csv").write_text(f"pdq\n{C}\n")
    words = ("import", "feed.csv", "--as", "aurora", "--out", "my draft.json")
    assert "tutela list sign 'my draft.json' --key KEY --out submission.json\n" in run("list", *words).output
    said = run("list", *words, "--list", "list").output
    (next_,) = [line.partition("tutela ")[2] for line in said.splitlines() if line.startswith("Sign it with")]
    assert next_ == "list sign 'my draft.json' --key KEY --out submission.json --list list"
    said = run(*shlex.split(next_.replace("KEY", "aurora.pem"))).output
    assert "Hand it in with: tutela list submit submission.json --list list\n" in said
    run(*shlex.split(said.partition("tutela ")[2]))


def test_an_authority_that_is_not_admitted_cannot_import(made: None) -> None:
    Path("feed.csv").write_text(f"pdq\n{C}\n")
    refuse("import", "feed.csv", "--as", "zephyr", "--out", "draft.json", code="unknown-authority")


def test_another_authoritys_key_does_not_sign_for_it(made: None) -> None:
    Path("feed.csv").write_text(f"pdq\n{C}\n")
    ask("import", "feed.csv", "--as", "aurora", "--out", "draft.json")
    words = ("sign", "draft.json", "--out", "wrong.json", "--key")
    assert "speaks for aurora, and the key boreal.pem is that of boreal" in refuse(
        *words, "boreal.pem", code="unknown-authority"
    )
    run("authority", "create", "zephyr", "--name", "Zephyr", "--jurisdiction", "NZ")
    assert "is not that of an authority of this list" in refuse(*words, "zephyr.pem", code="unknown-authority")
    assert not Path("wrong.json").exists()


def test_a_descriptor_in_the_place_of_a_key_is_told(made: None) -> None:
    words = ("approve", "--key", "aurora.json")
    assert "aurora.json is the public descriptor of aurora" in refuse(*words, code="key-file")
    Path("aurora.json").write_text("neither")
    Path("aurora.json").chmod(0o600)
    assert "aurora.json: not a private key in PEM" in refuse(*words, code="key-file")


def test_a_file_that_is_not_there_is_wrong_usage(made: None) -> None:
    run("list", "approve", "--key", "none.pem", exit_code=2)
    run("list", "sign", "draft.json", "--key", "none.pem", "--out", "signed.json", exit_code=2)
    run("list", "sign", "none.json", "--key", "aurora.pem", "--out", "signed.json", exit_code=2)


def test_what_is_signed_already_and_what_is_not_yet_are_told(made: None) -> None:
    Path("feed.csv").write_text(f"pdq\n{C}\n")
    ask("import", "feed.csv", "--as", "aurora", "--out", "draft.json")
    assert "draft.json is not signed yet" in refuse("submit", "draft.json", code="submission-unsigned")
    ask("sign", "draft.json", "--key", "aurora.pem", "--out", "signed.json")
    words = ("sign", "signed.json", "--key", "aurora.pem", "--out", "again.json")
    assert "signed.json is signed already" in refuse(*words, code="submission-unreadable")


def test_a_draft_that_the_list_would_refuse_is_not_signed(made: None) -> None:
    Path("feed.csv").write_text(f"pdq\n{C}\n")
    ask("import", "feed.csv", "--as", "aurora", "--out", "draft.json")
    words = ("sign", "draft.json", "--key", "aurora.pem", "--out", "signed.json")
    ask(*words)
    ask("submit", "signed.json")
    refuse(*words, code="submission-replayed")


def test_a_submission_to_one_list_is_not_taken_by_another(made: None) -> None:
    ask("init", "another", "--provider", "another.example")
    ask("admit", "aurora.json", "--list", "another")
    Path("feed.csv").write_text(f"pdq\n{C}\n")
    ask("import", "feed.csv", "--as", "aurora", "--out", "draft.json", "--list", "another")
    refuse("sign", "draft.json", "--key", "aurora.pem", "--out", "signed.json", code="other-list")
    ask("sign", "draft.json", "--key", "aurora.pem", "--out", "signed.json", "--list", "another")
    assert "for the list of another.example" in refuse("submit", "signed.json", code="other-list")
    ask("submit", "signed.json", "--list", "another")


def test_what_is_no_submission_is_refused(made: None) -> None:
    Path("draft.json").write_text("{}")
    refuse("sign", "draft.json", "--key", "aurora.pem", "--out", "signed.json", code="submission-unreadable")
    refuse("submit", "draft.json", code="submission-unreadable")


def test_a_key_that_others_can_read_is_not_used(made: None) -> None:
    Path("feed.csv").write_text(f"pdq\n{C}\n")
    ask("import", "feed.csv", "--as", "aurora", "--out", "draft.json")
    Path("aurora.pem").chmod(0o644)
    refuse("sign", "draft.json", "--key", "aurora.pem", "--out", "signed.json", code="key-file")


def test_withdrawals_come_from_the_command_line_or_a_file(made: None) -> None:
    ask("withdraw", A.upper(), "--as", "aurora", "--out", "draft.json")
    hand_in("aurora")
    Path("mistakes.txt").write_text(f"{A}\n{B}\n")
    words = ("withdraw", "--as", "boreal", "--out", "draft.json", "--from", "mistakes.txt")
    told = ask(*words)
    assert told["withdrawn"] == 2
    for feed in (
        f"pdq,quality\n{A},96\n{B},9\n{A},96\n",
        f"type,hash,verified_by\npdq,{A},A Board\nmd5,x,\npdq,{B},\n",
    ):
        Path("mistakes.txt").write_text(feed)
        assert ask(*words)["withdrawn"] == 2
    Path("mistakes.txt").write_text(f"{A}\nzz\n")
    assert refuse(*words, code="feed") == "mistakes.txt, line 2: 'zz' is not a PDQ hash of 64 hexadecimal digits"
    hand_in("boreal")
    assert ask("build", "--again")["items"] == {"agreed": 0, "attested": 0}


def test_withdrawing_what_does_not_stand_is_refused_at_once(made: None) -> None:
    refuse("withdraw", C, "--as", "aurora", "--out", "draft.json", code="not-vouched")
    refuse("withdraw", "zz", "--as", "aurora", "--out", "draft.json", code="submission-unreadable")
    refuse("withdraw", A, A, "--as", "aurora", "--out", "draft.json", code="duplicate")
    assert "cannot withdraw" in refuse("withdraw", C, "--as", "aurora", "--out", "draft.json", code="not-vouched")
    run("list", "withdraw", "--as", "aurora", "--out", "draft.json", exit_code=2)
    assert '"withdrawn":[]' in Path("draft.json").read_text(), "the draft before stays"


def test_vouches_are_told_in_numbers_and_for_one_hash(made: None) -> None:
    vouch("aurora", f"pdq\n{C}\n")
    vouch("boreal", f"pdq,verified_by\n{D},A Board\n", "--attested")
    told = ask("vouches")
    assert told["agreed"] == [
        {"authorities": ["aurora", "boreal"], "hashes": 2, "listed": True},
        {"authorities": ["aurora"], "hashes": 1, "listed": False},
    ]
    assert told["attested"] == {"boreal": 1}
    assert ask("vouches", A)["listed"] == "agreed"
    assert ask("vouches", C)["listed"] is None
    assert ask("vouches", D) == {
        "hash": D,
        "vouched_by": [],
        "same_item_vouched_by": [],
        "attested_by": {"boreal": ["A Board"]},
        "listed": "attested",
    }
    text = run("list", "vouches").output
    assert "no: too few vouch" in text
    assert "boreal attests 1 hash." in text
    run("list", "vouches", "zz", exit_code=2)


# Epochs.


def test_an_audit_tells_what_it_checked(made: None) -> None:
    told = ask("audit")
    assert told["holds"] is True
    assert (told["epoch"], told["entries_verified"], told["layers_rebuilt"]) == (1, 12, 1)
    assert run("list", "audit", "1").output.count("✓") == 11


def test_an_audit_that_fails_is_told_and_nothing_is_signed(made: None) -> None:
    (segment,) = Path("list/epochs/1/segments").iterdir()
    segment.write_bytes(segment.read_bytes()[:-1] + b"\x00\x00")
    refuse("audit", code="segment-mismatch")
    refuse("approve", "--key", "aurora.pem", code="segment-mismatch")
    assert ask("status")["epoch"]["signers"] == []


def test_a_file_that_is_missing_is_told(made: None) -> None:
    (evaluation,) = Path("list/epochs/1/evaluations").iterdir()
    evaluation.unlink()
    assert evaluation.name in refuse("audit", code="storage")


def test_an_epoch_of_another_rule_is_refused(made: None) -> None:
    settings = Path("list/list.json")
    settings.write_text(settings.read_text().replace('"same_item_distance": 15', '"same_item_distance": 10'))
    assert "same_item_distance=15" in refuse("audit", code="other-rule")


def test_changes_are_signed_only_when_accepted(made: None) -> None:
    ask("approve", "--key", "aurora.pem", "--accept-changes")
    settings = Path("list/list.json")
    settings.write_text(settings.read_text().replace('"checks_per_hour": 300', '"checks_per_hour": 60'))
    ask("build")
    message = refuse("approve", "--key", "aurora.pem", code="changes")
    assert "the policy changes: checks_per_hour from 300 to 60" in message
    told = ask("approve", "--key", "aurora.pem", "--accept-changes")
    assert told["signers"] == ["aurora"]
    assert (told["layers_known"], told["layers_rebuilt"]) == (1, 0)
    assert ask("approve", "--key", "aurora.pem", "--accept-changes", "--full")["layers_rebuilt"] == 1


def test_a_first_epoch_is_signed_only_when_somebody_looked_at_it(made: None) -> None:
    message = refuse("approve", "--key", "aurora.pem", code="changes")
    assert "the authority boreal is Boreal, of CA, with the key id" in message
    assert "the rule: authorities 2, jurisdictions 2" in message
    assert not Path("aurora.pem.signed").exists()
    said = run("list", "approve", "--key", "aurora.pem", "--accept-changes").output
    assert "Signed by Aurora (FI) with the key" in said
    assert "10 changes accepted; to see them again: tutela list audit 1\n" in said
    assert "Change:" not in said, "they were shown before"
    assert run("list", "audit", "1").output.count("Change:") == 10
    assert json.loads(Path("aurora.pem.signed").read_text())["signed"][0]["epoch"] == 1


def test_one_key_signs_one_epoch_of_a_number_in_whatever_folder(made: None) -> None:
    shutil.copytree("list", "another")
    ask("approve", "--key", "aurora.pem", "--accept-changes")
    ask("build", "--again", "--list", "another")
    words = ("approve", "--key", "aurora.pem", "--accept-changes", "--list", "another")
    assert "this key has signed another epoch 1" in refuse(*words, code="already-signed")
    assert ask("status", "--list", "another")["epoch"]["signers"] == []
    ask("approve", "--key", "aurora.pem", "--accept-changes")
    Path("aurora.pem.signed").write_text("{}")
    refuse("approve", "--key", "aurora.pem", "--accept-changes", code="signing-record")


def test_who_is_no_authority_is_told_so_first(made: None) -> None:
    run("authority", "create", "zephyr", "--name", "Zephyr", "--jurisdiction", "NZ")
    refuse("approve", "99", "--key", "zephyr.pem", code="unknown-authority")


def test_a_list_that_describes_the_signer_otherwise_is_not_signed(made: None) -> None:
    admitted = Path("list/authorities/aurora.json")
    admitted.write_text(admitted.read_text().replace("FI", "SE"))
    ask("build", "--again")
    words = ("approve", "--key", "aurora.pem", "--accept-changes")
    assert "jurisdiction 'SE' instead of 'FI'" in refuse(*words, code="other-descriptor")
    Path("aurora.json").rename("mine")
    refuse(*words, "--descriptor", "mine", code="other-descriptor")
    Path("aurora.json").write_text("{}")
    refuse(*words, code="key-file")
    Path("aurora.json").unlink()
    assert ask(*words)["signers"] == ["aurora"], "nothing to compare with, and the changes were accepted"


def test_submissions_that_came_too_late_are_told(made: None) -> None:
    vouch("aurora", f"pdq\n{C}\n")
    assert ask("audit")["left_out"] == ["aurora: 1 (from number 2)"]
    assert "submissions of aurora: 1 (from number 2)" in run("list", "audit").stderr
    assert [one["waiting"] for one in ask("status")["authorities"]] == [1, 0]


def test_signatures_are_collected_from_another_copy(made: None, tmp_path: Path) -> None:
    copy = tmp_path / "copy.json"
    original = Path("list/epochs/1/manifest.json")
    unsigned = original.read_bytes()
    ask("approve", "--key", "boreal.pem", "--accept-changes")
    copy.write_bytes(original.read_bytes())
    original.write_bytes(unsigned)
    ask("approve", "--key", "aurora.pem", "--accept-changes")
    told = ask("collect", "copy.json")
    assert told == {"epoch": 1, "taken": ["boreal"], "signers": ["aurora", "boreal"]}
    copy.write_text("{}")
    refuse("collect", "copy.json", code="workspace")


def test_keys_rotate_yearly_and_at_once(made: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask("status")["epoch"]["key_is_due"] is False
    monkeypatch.setattr(Clock, "step", timedelta(days=366))
    assert ask("status")["epoch"]["key_is_due"] is True
    assert "Rotate it" in run("list", "status").stderr
    assert "tutela list build --rotate-key --list list" in run("list", "status", "--list", "list").stderr
    monkeypatch.setattr(Clock, "step", timedelta(hours=1))
    ask("approve", "--key", "aurora.pem", "--accept-changes")
    rotated = ask("build", "--rotate-key", "--overlap-days", "7")
    current, old = rotated["keys"]
    assert current["retires"] is None
    assert old["retires"] > rotated["created"]
    ask("approve", "--key", "aurora.pem", "--accept-changes")
    at_once = ask("build", "--compromised")
    assert [key["retires"] for key in at_once["keys"][1:]] == [at_once["created"]] * 2


def test_an_unsigned_epoch_is_built_again(made: None) -> None:
    vouch("aurora", f"pdq\n{C}\n")
    vouch("boreal", f"pdq\n{C}\n")
    assert ask("build", "--again")["items"]["agreed"] == 3
    ask("approve", "--key", "aurora.pem", "--accept-changes")
    refuse("build", "--again", code="build")


def test_an_epoch_is_not_built_on_one_that_nobody_signed(made: None) -> None:
    assert refuse("build", code="build") == "nobody has signed epoch 1 yet"
    assert "tutela list build --again" in run("list", "build", exit_code=1).stderr
    assert ask("build", "--again")["epoch"] == 1
    ask("approve", "--key", "aurora.pem", "--accept-changes")
    assert ask("build")["epoch"] == 2


def test_a_rotation_that_nobody_signed_is_not_undone(made: None) -> None:
    ask("approve", "--key", "aurora.pem", "--accept-changes")
    (old,) = ask("status")["epoch"]["keys"]
    pending = ask("build", "--compromised")
    for words in (("list", "build", "--rotate-key"), ("provider", "rotate-key"), ("list", "build")):
        result = run(*words, exit_code=1)
        assert "nobody has signed" in result.stderr
        assert "tutela list build --again." in result.stderr
    assert "epoch 2 has a new key already" in refuse("build", "--rotate-key", code="build")
    again = ask("build", "--again")
    assert again["keys"] == [pending["keys"][0], {"id": old["id"], "retires": again["created"]}]
    said = run("list", "build", "--again").output
    assert f"Its key {pending['keys'][0]['id']} is new; the one before retires at once." in said


def test_a_rotation_on_an_unsigned_epoch_is_hinted_at_as_one(made: None) -> None:
    for words, flag in ((("--rotate-key",), "--rotate-key"), (("--compromised",), "--compromised")):
        result = run("list", "build", *words, "--list", "list", exit_code=1)
        assert f"tutela list build --again --list list {flag}. Or have it signed first" in result.stderr
    run("provider", "rotate-key", "--list", "list", exit_code=1)
    ask("approve", "--key", "aurora.pem", "--accept-changes")
    said = run("provider", "rotate-key", "--overlap-days", "3", "--list", "list").output
    assert "the one before answers until 20" in said
    assert "tutela list approve 2 --key KEY --list list" in said


def test_an_epoch_that_lists_nothing_agreed_is_warned_of(made: None) -> None:
    ask("init", "another", "--provider", "another.example")
    (warning,) = ask("build", "--list", "another")["warnings"]
    assert "nobody vouches for a hash yet" in warning
    ask("withdraw", A, B, "--as", "boreal", "--out", "draft.json")
    hand_in("boreal")
    (warning,) = ask("build", "--again")["warnings"]
    assert "of 2 hashes that somebody vouches for, none is vouched for by 2 authorities of 2 jurisdictions" in warning
    assert "Warning: nothing is agreed" in run("list", "build", "--again").stderr


def test_a_path_that_cannot_be_written_is_told_with_a_hint(made: None) -> None:
    result = run("list", "trust-root", "--out", "none/root.json", exit_code=1)
    assert "none/root.json: No such file or directory" in result.stderr
    assert "Hint:" in result.stderr


def test_an_error_of_the_system_is_told_without_a_traceback(made: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", broken)
    assert "Permission denied" in refuse("status", code="storage")


def test_a_trust_root_starts_from_the_newest_signed_epoch(made: None) -> None:
    assert ask("trust-root", "--out", "root.json")["minimum_epoch"] == 0
    assert "accepts any from the first on" in run("list", "trust-root", "--out", "root.json").output
    ask("approve", "--key", "aurora.pem", "--accept-changes")
    ask("approve", "--key", "boreal.pem", "--accept-changes")
    ask("build")
    assert ask("trust-root", "--out", "root.json")["minimum_epoch"] == 1
    assert json.loads(Path("root.json").read_text())["signatures"] == 2
    assert "No epoch before number 1 is accepted" in run("list", "trust-root", "--out", "root.json").output
    refuse("trust-root", "--out", "root.json", "--signatures", "3", code="trust-root")


def test_a_status_before_the_first_epoch() -> None:
    ask("init", "list", "--provider", "p.example")
    assert ask("status")["epoch"] is None
    assert "no epoch yet. Build one with: tutela list build\n" in run("list", "status").output
    assert "tutela list build --list list\n" in run("list", "status", "--list", "list").output
    refuse("audit", code="workspace")
    refuse("trust-root", "--out", "root.json", code="trust-root")


@pytest.mark.parametrize("columns", ["40", "120"])
def test_a_narrow_terminal_reads_whole_words(made: None, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    said = run("list", "status").output
    assert "…" not in said
    assert "not yet in an epoch" in said
    assert ("authority: aurora\njurisdiction: FI\nsubmissions: 1\n" in said) is (columns == "40")


def test_a_terminal_is_shown_how_far_it_is(
    made: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with console.progress("Evaluating") as told:
        assert told is None
    monkeypatch.setenv("FORCE_COLOR", "1")
    with console.progress("Evaluating") as told:
        assert told is not None
        told(3, 7)
    assert "3/7" in capsys.readouterr().err
    with console.progress("Evaluating", quiet=True) as told:
        assert told is None

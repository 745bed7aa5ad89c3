"""`tutela conversation`: try the conversation guard, measure it, train it, and check a language file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tutela.cli.console import JSON, Group, answer, count, say
from tutela.cli.measured import show_measured
from tutela.cli.missing import missing
from tutela.cli.trying import Trial
from tutela.device.conversation import AgeGroup
from tutela.lists import files
from tutela.lists.errors import AlreadyThere
from tutela.research import training
from tutela.research.chaining import generated, shipped_scripts
from tutela.research.chats import Chat
from tutela.research.composing import BANKS
from tutela.research.corpora import encode_line, read_corpus
from tutela.research.evaluation import measure, replayed
from tutela.research.everyday import shipped_everyday
from tutela.research.learning import FOLDS
from tutela.research.learning import learn as learned
from tutela.research.replay import Replay
from tutela.research.scripts import parse_scripts
from tutela.signals.conversation.decision import Level
from tutela.signals.conversation.language_file import parse_language
from tutela.signals.conversation.lexicon import Lexicon
from tutela.signals.conversation.model import Model, encode_model, parse_model, shipped_model
from tutela.signals.conversation.stages import stage_of

_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_SOURCES: Final = click.argument("corpora", nargs=-1, type=click.Path(path_type=Path))
_PREDATORS: Final = click.option("--predators", type=_FILE, help="PAN-2012: the file of predators' ids.")
_SYNTHETIC: Final = click.option("--synthetic", type=click.IntRange(1), metavar="N", help="Also N generated chats.")
_LANGUAGE: Final = click.option("--language", default="", help="The language of chats that do not say.")
_JOBS: Final = click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=lambda: os.cpu_count() or 1,
    show_default="all cores",
    help="Processes.",
)
_SEED: Final = click.option("--seed", default=14, show_default=True, help="The same seed gives the same chats.")
_VARIANTS: Final = click.option(
    "--variants", type=click.IntRange(1), default=1, show_default=True, help="Chats made from each script."
)
_MODEL: Final = click.option("--model", type=_FILE, help="A model file; by default the one that ships.")
_TAGGER: Final = click.option("--tagger", type=_FILE, help="A tagger's file; by default the one that ships.")


@click.group(cls=Group)
def conversation() -> None:
    """Try the conversation guard, measure it on corpora that you have, train it, check a language file.

    \b
    Examples:
      tutela conversation try
      tutela conversation evaluate pan12-test.xml --predators pan12-test-predators.txt --plots plots/
      tutela conversation evaluate segments.csv --json
      tutela conversation train --synthetic 6000 --out model.json
      tutela conversation check languages/sv.toml
      tutela conversation design guard.html

    Nothing leaves this machine, and no line of a corpus is ever printed.
    Exit codes: 0 done; 1 something could not be read or is not enough; 2 wrong usage.
    """


@conversation.command("try")
@click.option("--group", type=click.Choice([g.value for g in AgeGroup]), default="teen", show_default=True)
@click.option("--words", type=click.Choice(["en", "fr"]), default="en", show_default=True, help="The guard's language.")
@_MODEL
@JSON
def try_(group: str, words: str, model: Path | None, as_json: bool) -> None:
    """Type both sides of a conversation, and see stages, reasons and nudges live.

    \b
    A line that begins with < is the other person's, with > the user's own; without, it goes on with the last side.
      < hey, saw you play yesterday
      > thanks :)
    /age child|teen|adult, /words en|fr, /reset and /quit do what they say. A file can be piped in:
      tutela conversation try < conversation.txt
    """
    trial = Trial(_model(model), AgeGroup(group), words)
    if sys.stdin.isatty() and not as_json:
        say("[dim]< the other person · > the user · /reset · /quit[/dim]")
    for line in trial.lines(sys.stdin, prompt=sys.stdin.isatty() and not as_json):
        trial.show(line, as_json=as_json)


@conversation.command()
@_SOURCES
@_PREDATORS
@_SYNTHETIC
@_LANGUAGE
@_VARIANTS
@_SEED
@_JOBS
@_MODEL
@_TAGGER
@click.option(
    "--level",
    type=click.Choice([level.word for level in Level if level]),
    default="nudge",
    show_default=True,
    help="From which level on a chat counts as found.",
)
@click.option(
    "--plots", type=click.Path(file_okay=False, path_type=Path), help="A folder for ROC and calibration plots."
)
@JSON
def evaluate(
    corpora: tuple[Path, ...],
    predators: Path | None,
    synthetic: int | None,
    language: str,
    variants: int,
    seed: int,
    jobs: int,
    model: Path | None,
    tagger: Path | None,
    level: str,
    plots: Path | None,
    as_json: bool,
) -> None:
    """Measure the guard on CORPORA: files or folders, or generated chats.

    \b
    Read are PAN-2012 (.xml with its predators file), segments with labels (.csv: segment,label), eSPD datapacks
    (.json), chats a line (.jsonl) and scripts (.dialogues).
    Examples:
      tutela conversation evaluate pan12-test.xml --predators pan12-predators.txt
      tutela conversation evaluate PANC-test.csv --language en --json
      tutela conversation evaluate --synthetic 5000
      tutela conversation evaluate final/ --variants 40 --plots plots/
    """
    used = _model(model)
    wanted = next(one for one in Level if one.word == level)
    heard = None if tagger is None else files.read(tagger, limit=64 << 20)
    replays = _read(corpora, predators, synthetic, language, variants, seed, jobs, quiet=as_json, tagger=heard)
    measured = measure(replays, used, at=wanted)
    if plots is not None:
        from tutela.research.plots import draw

        written = draw(measured, plots)
        if not as_json:
            say(f"[dim]Plots: {', '.join(escape(str(path)) for path in written)}[/dim]")
    answer(as_json, measured.facts, lambda: show_measured(measured))


@conversation.command()
@_SOURCES
@_PREDATORS
@_SYNTHETIC
@_LANGUAGE
@_VARIANTS
@_SEED
@_JOBS
@click.option(
    "--per-thousand", type=click.FloatRange(0, 1000), default=0.5, show_default=True,
    help="Harmless chats of the training set that may get a nudge.",
)  # fmt: skip
@click.option(
    "--quiet",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Also N harmless generated chats for the thresholds.",
)
@click.option("--out", type=_FILE, required=True, help="The model file to write; it must not be there yet.")
@JSON
def train(
    corpora: tuple[Path, ...],
    predators: Path | None,
    synthetic: int | None,
    language: str,
    variants: int,
    seed: int,
    jobs: int,
    per_thousand: float,
    quiet: int,
    out: Path,
    as_json: bool,
) -> None:
    """Fit the weights on CORPORA and generated chats; signs are fixed and the prior keeps weights near the literature.

    \b
    A third of the chats is kept for calibration and thresholds. Examples:
      tutela conversation train --synthetic 6000 --quiet 8000 --out model.json
      tutela conversation train pan12-training.xml --predators pan12-training-predators.txt --out mine.json
    Beware of one corpus alone: models trained on PAN-2012 learn its sources (Vogt et al. 2021).
    """
    replays = _read(corpora, predators, synthetic, language, variants, seed, jobs, quiet=as_json)
    names = [path.name for path in corpora] + ([f"{synthetic} generated chats"] if synthetic else [])
    calm: list[Replay] = []
    if quiet:
        with _progress(as_json) as done:
            calm = replayed(generated(quiet, approaches=0.0, seed=seed + 1), jobs=jobs, done=done)
    fitted = training.train(replays, per_thousand=per_thousand, trained_on=", ".join(names), quiet=calm)
    files.create(out, encode_model(fitted))
    heaviest = sorted(fitted.weights.items(), key=lambda item: -abs(item[1]))[:12]
    facts = {"out": str(out), "conversations": len(replays), "weights": len(fitted.weights), "heaviest": dict(heaviest)}

    def told() -> None:
        say(f"Wrote {escape(str(out))}: {count(len(fitted.weights), 'weight', 'weights')}.")
        say(f"Try it: tutela conversation evaluate … --model {escape(str(out))}")

    answer(as_json, facts, told)


@conversation.command()
@click.argument("scripts", nargs=-1, type=click.Path(path_type=Path))
@click.option("--chats", type=click.IntRange(300), default=9000, show_default=True, help="Conversations to fit on.")
@_SEED
@_JOBS
@click.option(
    "--per-thousand", type=click.FloatRange(0, 1000), default=1.0, show_default=True,
    help="Harmless chats that may get a nudge.",
)  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="A folder to write into.")
@JSON
def learn(
    scripts: tuple[Path, ...], chats: int, seed: int, jobs: int, per_thousand: float, out: Path, as_json: bool
) -> None:
    """Train the tagger and the weights that ship anew, from SCRIPTS (.dialogues files; by default those that ship).

    \b
    Authors are dealt into three folds; the weights are fitted on what taggers heard that had not seen the author.
    Takes some minutes and 2 GB. Writes tagger.npz and model.json, which must not be there yet. Examples:
      tutela conversation learn --out learned/
      tutela conversation learn mine.dialogues others.dialogues --chats 3000 --out learned/
      tutela conversation evaluate mine.csv --model learned/model.json --tagger learned/tagger.npz
    """
    for path in (out / "tagger.npz", out / "model.json"):
        if path.exists():  # better now than after minutes of work
            raise AlreadyThere(f"{path} is there already", hint="name another folder")
    given = [script for path in scripts for script in parse_scripts(_text(path), source=path.name)]
    with _progress(as_json, "learning", total=FOLDS + 1) as moved:
        found = learned(
            given or shipped_scripts(),
            shipped_everyday(),
            chats=chats,
            seed=seed,
            jobs=jobs,
            done=lambda step: moved(1, description=f"learning: {step}"),
        )
    about = f"{len(found.replays)} conversations of {len({one.chat.group for one in found.replays})} authors' scripts"
    model = training.train(found.replays, per_thousand=per_thousand, trained_on=about)
    out.mkdir(parents=True, exist_ok=True)
    files.create(out / "tagger.npz", found.tagger.encode())
    files.create(out / "model.json", encode_model(model))
    facts = {"out": str(out), "conversations": len(found.replays), "weights": len(model.weights)}
    answer(as_json, facts, lambda: say(f"Wrote tagger.npz and model.json in {escape(str(out))}."))


@conversation.command()
@click.argument("number", type=click.IntRange(1, 1_000_000))
@click.option("--language", "languages", multiple=True, type=click.Choice(BANKS), help="May be given again.")
@click.option("--approaches", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Their share.")
@_SEED
@click.option("--out", type=_FILE, help="A .jsonl file that is not there yet; by default standard output.")
def generate(number: int, languages: tuple[str, ...], approaches: float, seed: int, out: Path | None) -> None:
    """Write NUMBER synthetic chats with the truth about each line. They hold no sexual content.

    \b
    Examples:
      tutela conversation generate 1000 --out chats.jsonl
      tutela conversation generate 5 --language fr --approaches 0 --seed 3
    """
    chats = generated(number, languages=languages or BANKS, approaches=approaches, seed=seed)
    lines = (encode_line(chat) for chat in chats)
    if out is None:
        for line in lines:
            click.echo(line, nl=False)
    else:
        files.create(out, b"".join(lines))


@conversation.command()
@click.argument("out", type=_FILE)
@click.option("--words", type=click.Choice(["en", "fr"]), default="en", show_default=True, help="The language.")
def design(out: Path, words: str) -> None:
    """Write a page with every state and text of the guard to OUT, a file that is not there yet.

    \b
    Example:
      tutela conversation design guard.html --words fr
    """
    try:
        from tutela.chat.design import render
    except ModuleNotFoundError as error:
        raise missing(error, "conversation design", "chat") from error
    files.create(out, render(words).encode())
    say(f"Wrote {escape(str(out))}.")


@conversation.command()
@click.argument("language_files", nargs=-1, required=True, type=_FILE)
@JSON
def check(language_files: tuple[Path, ...], as_json: bool) -> None:
    """Check LANGUAGE_FILES as a native speaker wrote them: format, names, phrases, and what is still missing.

    \b
    Example:
      tutela conversation check src/tutela/signals/conversation/languages/sv.toml
    """
    found: list[dict[str, Any]] = []
    for path in language_files:
        file = parse_language(_text(path), source=path.name)
        lexicon = Lexicon.of(file)
        without = [signal for signal in stage_of() if signal not in file.signals]
        found.append(
            {
                "file": str(path),
                "language": file.language,
                "phrases": lexicon.language(file.language).phrases,
                "without": without,
            }
        )

    def told() -> None:
        for one in found:
            phrases = count(one["phrases"], "phrase")
            say(f"{escape(one['file'])}: {one['language']}, {phrases}, well formed.")
            if one["without"]:
                say(f"  No phrase yet for: {', '.join(one['without'])}.")

    answer(as_json, {"files": found}, told)


def _model(path: Path | None) -> Model:
    return shipped_model() if path is None else parse_model(files.read(path, limit=16 << 20))


def _read(
    corpora: tuple[Path, ...],
    predators: Path | None,
    synthetic: int | None,
    language: str,
    variants: int,
    seed: int,
    jobs: int,
    *,
    quiet: bool,
    tagger: bytes | None = None,
) -> list[Replay]:
    if not corpora and synthetic is None:
        raise click.UsageError("Name a corpus, or --synthetic N.")
    with _progress(quiet) as done:
        return replayed(
            _chats(corpora, predators, synthetic, language, variants, seed), tagger=tagger, jobs=jobs, done=done
        )


def _chats(
    corpora: Iterable[Path], predators: Path | None, synthetic: int | None, language: str, variants: int, seed: int
) -> Iterator[Chat]:
    for path in corpora:
        for one in sorted(path.glob("*.dialogues")) + sorted(path.glob("*.jsonl")) if path.is_dir() else [path]:
            yield from read_corpus(one, predators=predators, language=language, variants=variants)
    if synthetic is not None:
        yield from generated(synthetic, seed=seed)


@contextmanager
def _progress(quiet: bool, what: str = "reading chats", *, total: int | None = None) -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task(what, total=total)
        yield lambda number, **shown: bar.update(task, advance=number, **shown)


def _text(path: Path) -> str:
    return files.read(path, limit=4 << 20).decode("utf-8", "replace")

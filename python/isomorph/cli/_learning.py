"""What ``learn`` does: run, keep what is unfinished, write and print the results."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isomorph._text import table
from isomorph.cli import _inputs
from isomorph.cli._inputs import MAP
from isomorph.cli._outputs import output_folder
from isomorph.cli._terminal import Line, Terminal, Watch

if TYPE_CHECKING:
    from isomorph.io import Embeddings
    from isomorph.learning import SelfLearned
    from isomorph.metrics import WordTranslation

METRICS, DICTIONARY = "metrics.json", "dictionary.tsv"
LOG, CHECKPOINT = "log.jsonl", "checkpoint.safetensors"
#: Raised when a name changes its meaning or goes.
FORMAT = "isomorph.learn/1"
_STARTS = ("identical", "numerals", "unsupervised")
OK, FAILED, USAGE = 0, 1, 2
#: Options that only some methods have, and which; where they are not given the library's hold.
_OWN = {
    "vecmap": ("direction", "seed", "init", "keep", "patience", "final"),
    "muse": ("direction",),
    "contrast": ("seed", "setting"),
}


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Learn, write the results, print them; the exit status says whether it came to anything."""
    if (wrong := _misuse(options)) is not None:
        terminal.problem(f"error: {wrong}")
        return USAGE
    _check_early(options)
    output = Path.cwd() / options.output
    checkpoint = output / CHECKPOINT
    if checkpoint.exists() and not (options.resume or options.restart):
        raise FileExistsError(
            17, "holds an unfinished run; --resume goes on with it, --restart begins anew",
            str(checkpoint),
        )  # fmt: skip
    begun = time.perf_counter()
    with terminal.watching() as watch:
        watch.stage("reading")
        source, target = _inputs.read_vocabularies(
            options.source, options.target, options, progress=watch.progress
        )
        start = _start(options, source, target)
        # Also read before hours of work, not after.
        test = None if options.test is None else _pairs(options.test, options, source, target)
        if options.restart:
            checkpoint.unlink(missing_ok=True)
        with _unfinished(output, terminal):
            learned = _learn(options, source, target, start, output, watch)
            translation = {} if test is None else _measure(learned, source, target, test, watch)
            origin = _inputs.provenance(options.command_line, _files(options))
            seconds = time.perf_counter() - begun
            figures = _facts(learned, translation, (source, target), origin, seconds)
            with output_folder(output) as draft:
                _write(draft, learned, (source, target), origin, figures)
            checkpoint.unlink(missing_ok=True)
    if terminal.as_json:
        terminal.data(figures)
    else:
        terminal.lines(_lines(learned, translation, (source, target), options, seconds))
    from isomorph.learning._options import doubt, failed

    ways_out = "--start DICT" if options.start in _STARTS else "another dictionary for --start"
    if options.method == "vecmap":
        ways_out = f"another --seed, or {ways_out}"
    metrics = learned.alignment.map.metrics
    if (said := doubt(learned.agreement, ways_out, metrics)) is not None:
        terminal.problem(said)
    return FAILED if failed(learned.agreement, metrics) else OK


def _misuse(options: argparse.Namespace) -> str | None:
    """Say what the method cannot do with the options, before anything is read."""
    if options.method != "vecmap" and options.start == "unsupervised":
        return f"--method {options.method} needs --start: a dictionary, identical or numerals"
    elsewhere = sorted(
        {name for names in _OWN.values() for name in names} - {*_OWN[options.method]}
    )
    given = [f"--{name}" for name in elsewhere if getattr(options, name) is not None]
    return f"--method {options.method} has no {', no '.join(given)}" if given else None


def _check_early(options: argparse.Namespace) -> None:
    """Let a slip of the pen show before files are read, and before an old run goes."""
    from isomorph import transforms
    from isomorph.learning._options import final_mode

    transforms.Chain.parse(options.chain)
    if options.final is not None:
        final_mode(options.final)


@contextlib.contextmanager
def _unfinished(output: Path, terminal: Terminal) -> Iterator[None]:
    """Make the folder that log and checkpoint go to; say what is in it if the block does not end.

    Of a run that ends before it has begun nothing stays; a checkpoint that is refused is not ours.
    """
    there, before = output.is_dir(), _written(output / CHECKPOINT)
    output.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException as error:
        now = _written(output / CHECKPOINT)
        if now is not None and (now != before or not isinstance(error, Exception)):
            terminal.problem(f"{output / CHECKPOINT} holds the run; --resume goes on with it")
        elif not there:
            (output / LOG).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                output.rmdir()
        raise


def _written(path: Path) -> tuple[int, int] | None:
    """Tell one writing of a file from another; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _start(options: argparse.Namespace, source: Embeddings, target: Embeddings) -> Any:
    if options.start in _STARTS:
        return options.start
    return _pairs(options.start, options, source, target)


def _pairs(path: str, options: argparse.Namespace, source: Embeddings, target: Embeddings) -> Any:
    from isomorph import io

    return io.load_dictionary(
        _inputs.dictionary_path(path), source, target, reverse=options.reverse
    )


def _learn(
    options: argparse.Namespace,
    source: Embeddings,
    target: Embeddings,
    start: Any,
    output: Path,
    watch: Watch,
) -> SelfLearned:
    import isomorph as iso
    from isomorph.errors import ConvergenceWarning

    chosen: dict[str, Any] = {
        "chain": options.chain,
        "vocabulary": options.vocabulary,
        "neighborhood": options.neighborhood,
        "checkpoint": output / CHECKPOINT,
        "resume": options.resume,
        "judge": not options.no_verdict,
        "log": output / LOG,
        "progress": watch.progress,
    }
    for name in _OWN[options.method]:
        if (value := getattr(options, name)) is not None:
            chosen[name] = value
    watch.stage("learning")
    with warnings.catch_warnings():
        # Said in the words of the command line.
        warnings.simplefilter("ignore", ConvergenceWarning)
        if options.method == "muse":
            rounds = 5 if options.max_iterations is None else options.max_iterations
            return iso.refine(source, target, start, iterations=rounds, **chosen)
        if options.method == "contrast":
            return iso.contrast(source, target, start, steps=options.max_iterations, **chosen)
        return iso.self_learn(
            source,
            target,
            seed_pairs=start,
            max_iterations=options.max_iterations,
            **chosen,
        )


def _measure(
    learned: SelfLearned, source: Embeddings, target: Embeddings, test: Any, watch: Watch
) -> dict[str, WordTranslation]:
    from isomorph import metrics, neighbors

    watch.stage("measuring")
    x = learned.alignment.apply_source(source.vectors)
    y = learned.alignment.apply_target(target.vectors)
    hood = min(10, len(x), len(y))
    radii = neighbors.csls_radii(x, y, neighborhood=hood, progress=watch.progress)
    return {
        method: metrics.word_translation(
            x,
            y,
            test,
            method=method,
            neighborhood=hood,
            at=[k for k in (1, 5, 10) if k <= len(y)],
            source_radii=radii[0],
            target_radii=radii[1],
        )
        for method in ("nn", "csls")
    }


def _files(options: argparse.Namespace) -> dict[str, str]:
    files = {"source": options.source, "target": options.target}
    if options.start not in _STARTS:
        files["seed dictionary"] = options.start
    return files if options.test is None else files | {"test dictionary": options.test}


def _facts(
    learned: SelfLearned,
    translation: dict[str, WordTranslation],
    sides: tuple[Embeddings, Embeddings],
    origin: dict[str, Any],
    seconds: float,
) -> dict[str, Any]:
    from isomorph.report.facts import plain
    from isomorph.report.facts import translation as described

    judged = learned.agreement
    figures: dict[str, Any] = plain(
        {
            "format": FORMAT,
            **{
                name: {"rows": len(side), "columns": side.vectors.shape[1]}
                for name, side in zip(("source", "target"), sides, strict=True)
            },
            "agreement": None if judged is None else dataclasses.asdict(judged),
            "iterations": learned.iterations,
            "converged": learned.converged,
            "objective": learned.objective,
            "measured": dict(learned.alignment.map.metrics),
            "pairs": len(learned.pairs),
            "translation": {name: described(result) for name, result in translation.items()},
            "settings": learned.settings,
            "seconds": seconds,
            "provenance": origin,
        }
    )
    return figures


def _write(
    folder: Path,
    learned: SelfLearned,
    sides: tuple[Embeddings, Embeddings],
    origin: dict[str, Any],
    figures: dict[str, Any],
) -> None:
    alignment = learned.alignment
    fitted = dataclasses.replace(alignment.map, provenance={**alignment.map.provenance, **origin})
    dataclasses.replace(alignment, map=fitted).save(folder / MAP)
    text = json.dumps(figures, ensure_ascii=False, allow_nan=False, indent=2)
    (folder / METRICS).write_text(text + "\n", encoding="utf-8")
    rows = sorted(
        set(zip(learned.pairs.source.tolist(), learned.pairs.target.tolist(), strict=True))
    )
    lines = "".join(f"{sides[0].words[i]}\t{sides[1].words[j]}\n" for i, j in rows)
    (folder / DICTIONARY).write_text(lines, encoding="utf-8", newline="\n")


def _lines(
    learned: SelfLearned,
    translation: dict[str, WordTranslation],
    sides: tuple[Embeddings, Embeddings],
    options: argparse.Namespace,
    seconds: float,
) -> list[Line]:
    from isomorph.report.wording import METHOD_NAMES, duration, percent

    judged = learned.agreement
    names = (_inputs.short_name(options.source), _inputs.short_name(options.target))
    rows = [
        [name, f"{len(side):,} words, {side.vectors.shape[1]} dimensions"]
        for name, side in zip(names, sides, strict=True)
    ]
    rows.append(["iterations", f"{learned.iterations:,}"])
    if learned.objective is not None:
        rows.append(["objective", f"{learned.objective:.4f}"])
    rows.append(["pairs", f"{len(learned.pairs):,}"])
    if judged is not None and judged.found_again is not None:
        rows.append(
            [
                "agreement",
                f"{percent(judged.found_again)} % of held-out pairs found again, "
                f"{percent(judged.by_chance or 0.0)} % by chance: {judged.verdict}",
            ]
        )
    elif judged is not None:
        rows.append(["agreement", f"undetermined: {judged.mutual:,} pairs are too few"])
    measured = learned.alignment.map.metrics
    if "accuracy" in measured:
        before, after = (percent(measured[name]) for name in ("first_accuracy", "accuracy"))
        rows.append(
            [
                "held-out words",
                f"{before} % right at first, {after} % after {measured['step']} steps",
            ]
        )
    for method, result in translation.items():
        cells = ", ".join(f"P@{k} {percent(v)}" for k, v in result.precision.items())
        rows.append([METHOD_NAMES[method], cells])
    lines: list[Line] = [("", ""), *((line, "") for line in table(rows)), ("", "")]
    lines.append((duration(seconds), "dim"))
    written = (MAP, METRICS, DICTIONARY, LOG)
    return lines + [(f"wrote {options.output / name}", "dim") for name in written]

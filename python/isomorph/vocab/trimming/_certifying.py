"""Making a certificate: everything that was written is read again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isomorph.errors import CertificateError
from isomorph.vocab.checkpoints import _folder
from isomorph.vocab.checkpoints._checkpoint import Checkpoint
from isomorph.vocab.planning import TrimPlan, coverage
from isomorph.vocab.tokenizers import Tokenizer
from isomorph.vocab.trimming import _verification
from isomorph.vocab.trimming._certificate import CERTIFICATE, NO_CORPUS, Certificate
from isomorph.vocab.trimming._rows import NewRows

_SHOWN = 80


def certify(
    before: Checkpoint,
    out: Path,
    plan: TrimPlan,
    rows: NewRows,
    *,
    tables: Mapping[str, str | None] | None = None,
    held_out: Any = None,
    threads: int | None = None,
) -> Certificate:
    """Verify a trimmed model in its folder.

    Raises
    ------
    CertificateError
        Something is not as it should be.
    """
    after = Checkpoint.open(out, tables=tables)
    tokenizer = Tokenizer.load(after.folder.transformer)
    old_tokens, new_tokens = plan.tokenizer.tokens, tokenizer.tokens
    if list(new_tokens) != [old_tokens[old] for old in plan.remap.new_to_old.tolist()]:
        raise CertificateError(f"{out}: the tokenizer has other tokens than those that were kept")
    named = _verification.compare_named(plan.tokenizer, tokenizer, out)
    described, others = _verification.compare_rows(before, after, rows)
    configs = _verification.compare_configs(before, after, rows, old_tokens, new_tokens)
    claim, corpus = _corpus(plan, tokenizer, threads)
    report = None
    if held_out is not None:
        found = coverage(plan.tokenizer, tokenizer, plan.remap, held_out, threads=threads)
        report = found.as_dict()
    folder = before.folder
    originals = [*folder.others, *map(folder.relative, before.weights)]
    written = [*after.folder.others, *map(after.folder.relative, after.weights)]
    written += [file.relative_to(out).as_posix() for file in (out / _folder.OWN).rglob("*")]
    certified = [
        name
        for name in written
        if name not in (_folder.CARD, CERTIFICATE) and (out / name).is_file()
    ]
    return Certificate(
        claim=claim,
        corpus=corpus,
        held_out=report,
        tables=described,
        others=others,
        configs=configs,
        named=named,
        tokens={
            "before": sum(token is not None for token in old_tokens),
            "after": len(new_tokens),
        },
        model=_verification.hashes(folder.root, originals, threads=threads),
        files=_verification.hashes(out, certified, threads=threads),
    )


def _corpus(
    plan: TrimPlan, tokenizer: Tokenizer, threads: int | None
) -> tuple[str, dict[str, Any] | None]:
    """Compare the tokens of every line; what the plan promised must hold."""
    if plan.corpus is None:
        return NO_CORPUS, None
    lines = _verification.compare_lines(
        plan.tokenizer, tokenizer, plan.remap, plan.corpus, threads=threads
    )
    if plan.lossless and lines.same != lines.lines:
        shown = (lines.first or "")[:_SHOWN]
        raise CertificateError(
            f"{lines.lines - lines.same:,} of {lines.lines:,} corpus lines have other tokens "
            f"though all were to keep theirs; the first is {shown!r}"
        )
    lossless = lines.same == lines.lines
    claim = "lossless on the corpus" if lossless else "lossy: lines of the corpus change"
    hashed = [
        {"name": file.name, **_verification.hashes(file.parent, [file.name])[file.name]}
        for file in plan.corpus.files
    ]
    return claim, {"lines": lines.lines, "same": lines.same, "files": hashed}

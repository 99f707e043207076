"""What is asked for of a vocabulary: what stays at every size, what else is wanted, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from isomorph.vocab.planning import _scripts
from isomorph.vocab.planning._choice import Choice, closed, ordered, scores
from isomorph.vocab.planning._options import Asked
from isomorph.vocab.planning._result import REASONS
from isomorph.vocab.planning._trials import Trials

if TYPE_CHECKING:
    from isomorph.vocab.tokenizers import Tokenizer, Usage

Ids = NDArray[np.int64]


@dataclass
class Wanted:
    """What is kept whatever the size, what else is wanted, and why."""

    choice: Choice
    scripts: tuple[str, ...]
    masks: list[NDArray[np.bool_]]

    @classmethod
    def of(
        cls,
        tokenizer: Tokenizer,
        trials: Trials,
        usages: Mapping[str, Usage],
        asked: Asked,
        listed: Ids,
        weighed: Mapping[str, float],
        threads: int,
    ) -> Wanted:
        size = tokenizer.size
        texts = [tokenizer.text(token) for token in range(size)]
        counts = np.zeros(size, np.int64) if trials.usage is None else trials.usage.counts
        used = counts > 0
        scripts = asked.scripts
        if scripts is None:
            found = [_scripts.written_in(trial.scripts, trial.counts) for trial in trials.trials]
            scripts = tuple(dict.fromkeys(name for names in found for name in names))
        passing = np.ones(size, np.bool_)
        if asked.scripts is not None:
            held = [text or "" for text in texts]
            passing = _scripts.in_scripts(held, scripts, threads, without=True)
            # Bytes that are no whole character belong to no script: they are used or not.
            passing &= used | np.array([text is not None for text in texts], np.bool_)
        seen = set("".join(texts[token] or "" for token in np.nonzero(used & passing)[0].tolist()))
        whole = scripts if asked.characters == "scripts" else ()
        single = _scripts.characters(texts, whole, seen, threads)
        usage = trials.usage
        fixed = closed(
            tokenizer, np.concatenate([tokenizer.special, tokenizer.bytes_, listed, single]), usage
        )
        if usages:
            candidates = np.nonzero((counts >= asked.min_count) & passing)[0]
            score = scores(usages, weighed, size)
        else:
            # By id: vocabularies are numbered by frequency, or by merges, or not at all.
            by_script = passing & np.array([text is not None for text in texts], np.bool_)
            candidates = np.nonzero(by_script & (asked.scripts is not None))[0]
            score = np.zeros(size)
        spare = np.array(
            [number for number, token in enumerate(tokenizer.tokens) if token is not None], np.int64
        )
        spare = np.concatenate([spare[passing[spare]], spare[~passing[spare]]])
        full: Ids | None = None
        if usage is not None and len(candidates) == len(usage.used):
            full = closed(tokenizer, np.concatenate([fixed, usage.kept]), usage)
        choice = Choice(
            tokenizer,
            usage,
            fixed,
            ordered(np.setdiff1d(candidates, fixed), score),
            spare[np.lexsort((-score[spare],))] if usages else spare,
            full,
        )
        why: tuple[Ids, ...] = (tokenizer.special, tokenizer.bytes_, listed, single)
        return cls(
            choice, scripts, [_mask(size, ids) for ids in why] + _reached(size, candidates, usages)
        )

    def reasons(self, kept: Ids) -> NDArray[np.int8]:
        """Say for each kept id why it is kept."""
        made = self.choice.all()
        masks = [*self.masks, _mask(self.choice.tokenizer.size, made)]
        reason = np.full(len(kept), len(REASONS) - 1, np.int8)
        for number in reversed(range(len(masks))):
            reason[masks[number][kept]] = number
        return reason

    def must(self) -> str:
        """Count what is kept at every size, for people."""
        reason = np.bincount(self.reasons(self.choice.fixed), minlength=len(REASONS)).tolist()
        parts = [f"{n:,} {name}" for name, n in zip(REASONS, reason, strict=True) if n]
        return f"{len(self.choice.fixed):,} ({', '.join(parts)})"


def _mask(size: int, ids: Ids) -> NDArray[np.bool_]:
    mask = np.zeros(size, np.bool_)
    mask[ids] = True
    return mask


def _reached(size: int, candidates: Ids, usages: Mapping[str, Usage]) -> list[NDArray[np.bool_]]:
    nothing = np.zeros(size, np.bool_)
    mask = _mask(size, candidates)
    return [mask, nothing] if usages else [nothing, mask]

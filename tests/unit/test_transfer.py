"""The leave-out score and transfers of small models: rows, ids, files, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tokenizers")

from isomorph import io, vocab
from isomorph.errors import FormatError, NonFiniteError, ShapeError
from isomorph.vocab.transfers._hiding import hidden_rows
from isomorph.vocab.transfers._kinds import KINDS, kinds
from isomorph.vocab.transfers._recipes import CANDIDATES, METHODS, Materials, Recipe
from support import small_models as small
from support.small_tokenizers import words
from support.small_transfers import SPECIAL, finite_weights, retrained


def values(part: tuple[str, tuple[int, ...], bytes]) -> np.ndarray:
    """Read a tensor as numbers."""
    dtype, shape, data = part
    if dtype == "BF16":
        bits = np.frombuffer(data, np.uint16).astype(np.uint32) << 16
        return bits.view(np.float32).reshape(shape)
    return np.frombuffer(data, {"F16": "f2", "F32": "f4"}[dtype]).reshape(shape)


@pytest.fixture
def bert(tmp_path: Path) -> tuple[Path, Path, small.Family]:
    """A BERT with a head and its bias, and another WordPiece."""
    family = small.write(tmp_path / "model", "bert")
    finite_weights(tmp_path / "model")
    new = retrained(tmp_path / "new", family.tokenizer, special=SPECIAL)
    return tmp_path / "model", new, family


@pytest.mark.parametrize("method", ["mean", "gaussian seed=3", "subword_mean"])
def test_rows_are_those_of_the_mixing(tmp_path, bert, method):
    model, new, family = bert
    moved = vocab.transfer(model, new, tmp_path / "out", method=method)
    tokenizer = vocab.Tokenizer.load(tmp_path / "out")
    assert tokenizer.tokens == vocab.Tokenizer.load(new).tokens
    old, now = small.read_weights(model), small.read_weights(tmp_path / "out")
    assert old.keys() == now.keys()
    mixing = vocab.TokenMixing.load(tmp_path / "out" / "isomorph" / "mixing.safetensors")
    assert mixing == moved.mixing
    recipe = Recipe.parse(method)
    tokens = len(vocab.Tokenizer.load(model).tokens)
    for name, part in old.items():
        if name not in family.tables:
            assert now[name] == part, name
            continue
        table = values(part)
        axis = table.shape.index(family.rows)
        rows = np.moveaxis(table, axis, 0)[:tokens].reshape(tokens, -1)
        empty = mixing.fallback_rows
        fallback = recipe.fallback(rows, empty) if len(empty) else None
        expected = mixing.apply(rows, fallback=fallback, dtype=table.dtype)
        found = np.moveaxis(values(now[name]), axis, 0).reshape(tokenizer.size, -1)
        np.testing.assert_array_equal(found, expected)
        copied = np.flatnonzero((mixing.counts == 1) & (mixing.row_sums() == 1))
        sources = mixing.indices[mixing.indptr[copied]]
        assert found[copied].tobytes() == rows[sources].tobytes()


@pytest.mark.parametrize("as_file", [False, True])
def test_a_mixing_made_elsewhere_decides_its_rows(tmp_path, bert, as_file):
    """What it has nothing for is copied where it is shared, and the mean otherwise."""
    model, new, family = bert
    old, now = vocab.Tokenizer.load(model), vocab.Tokenizer.load(new)
    shared = vocab.overlap(old, now)
    first, copied = np.flatnonzero(shared.counts)[[0, -1]]
    counts = {((3,), (int(first),)): 30.0, ((4,), (int(first),)): 10.0}
    given = vocab.transtokenization(counts, old, now, same_tokens=False, smooth=False)
    assert given.counts.sum() == 2
    path = tmp_path / "made.safetensors"
    given.save(path)
    moved = vocab.transfer(model, new, tmp_path / "out", mixing=path if as_file else given)
    assert moved.mixing == given.fill(shared)
    assert moved.method == given.method == "trans-tokenization"
    name = next(name for name in family.tables if "word_embeddings" in name)
    table = values(small.read_weights(model)[name])[: old.size].astype(np.float64)
    made = values(small.read_weights(tmp_path / "out")[name]).astype(np.float64)
    np.testing.assert_allclose(made[first], 0.75 * table[3] + 0.25 * table[4], rtol=1e-6)
    source = shared.row(int(copied))[0][0]
    np.testing.assert_array_equal(made[copied], table[source])
    rest = np.flatnonzero(moved.mixing.counts == 0)
    np.testing.assert_allclose(made[rest], np.tile(table.mean(0), (len(rest), 1)), rtol=1e-5)


def test_a_mixing_of_other_tokens_is_refused(tmp_path, bert):
    model, new, _ = bert
    old, now = vocab.Tokenizer.load(model), vocab.Tokenizer.load(new)
    mixing = vocab.overlap(old, now)
    with pytest.raises(ValueError, match="method, mixing: expected one of them"):
        vocab.transfer(model, new, tmp_path / "out", method="mean", mixing=mixing)
    with pytest.raises(ShapeError, match=f"mixing: expected {now.size} target tokens by"):
        vocab.transfer(model, new, tmp_path / "out", mixing=mixing.take(range(5)))
    order = np.arange(now.size)
    order[[7, 8]] = 8, 7
    with pytest.raises(ValueError, match="mixing: its target token 7 is"):
        vocab.transfer(model, new, tmp_path / "out", mixing=mixing.take(order))
    with pytest.raises(TypeError, match="mixing: expected a TokenMixing or its file, got int"):
        vocab.transfer(model, new, tmp_path / "out", mixing=3)
    assert not (tmp_path / "out").exists()


def test_ids_in_configurations_follow_the_tokens(tmp_path, bert):
    model, new, _ = bert
    moved = vocab.transfer(model, new, tmp_path / "out", method="mean", multiple_of=64)
    was = json.loads((model / "config.json").read_text())
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    old, now = vocab.Tokenizer.load(model), vocab.Tokenizer.load(new)
    assert config["vocab_size"] == -(-now.size // 64) * 64
    for field, value in was.items():
        if field.endswith("_token_id") and value is not None:
            assert now.tokens[config[field]] == old.tokens[value], field
    assert any(change.field == "vocab_size" for change in moved.changes)
    report = json.loads((tmp_path / "out" / "isomorph" / "transfer.json").read_text())
    assert report["method"] == "mean"
    written = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    assert written["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert written["model_max_length"] == 512
    assert "rows" in str(moved)


@pytest.mark.parametrize("name", ["llama", "t5", "sharded", "lora"])
def test_heads_shards_and_adapters(tmp_path, name):
    model = tmp_path / "model"
    family = small.write(model, name)
    finite_weights(model)
    old = vocab.Tokenizer.load(model)
    special = [old.tokens[i] for i in old.special.tolist()][:6]
    new = retrained(tmp_path / "new", family.tokenizer, special=special)
    vocab.transfer(model, new, tmp_path / "out", method="mean")
    size = vocab.Tokenizer.load(new).size
    for tensor, part in small.read_weights(tmp_path / "out").items():
        if tensor in family.tables:
            assert size in part[1]


def gpt_and_llama(tmp_path):
    """Two models: one with a token for everything, one with a token for each thing."""
    roles = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    for name, spoken in (("gpt2", dict.fromkeys(roles, "<|endoftext|>")), ("llama", roles)):
        small.write(tmp_path / name, name)
        finite_weights(tmp_path / name)
        small.write_json(tmp_path / name / "tokenizer_config.json", spoken)
    ends = vocab.Tokenizer.load(tmp_path / "gpt2").tokens.index("<|endoftext|>")
    return tmp_path / "gpt2", tmp_path / "llama", ends


def test_ids_of_one_token_for_everything_become_those_of_each_part(tmp_path):
    gpt, llama, end = gpt_and_llama(tmp_path)
    new = vocab.Tokenizer.load(llama).tokens
    moved = vocab.transfer(gpt, llama, tmp_path / "out", method="mean")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["bos_token_id"], config["eos_token_id"]) == (new.index("<s>"), new.index("</s>"))
    generation = json.loads((tmp_path / "out" / "generation_config.json").read_text())
    assert generation["bos_token_id"] == new.index("<s>")
    assert generation["eos_token_id"] == [new.index("</s>")]
    # Nothing says what is the new token for padding: it was the end.
    nested = config["task_specific_params"]["text-generation"]
    assert nested["pad_token_id"] == new.index("</s>")
    assert any("has several new tokens" in note and "pad_token_id" in note for note in moved.notes)
    chosen = vocab.transfer(
        gpt, llama, tmp_path / "own", method="mean", aliases={"<unk>": "<|endoftext|>"}
    )
    assert chosen.mixing.row(new.index("<unk>"))[0].tolist() == [end]


def test_one_token_for_everything_has_the_row_of_the_end(tmp_path):
    gpt, llama, end = gpt_and_llama(tmp_path)
    old = vocab.Tokenizer.load(llama).tokens
    moved = vocab.transfer(llama, gpt, tmp_path / "out", method="mean")
    assert moved.mixing.row(end)[0].tolist() == [old.index("</s>")]
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["bos_token_id"], config["eos_token_id"]) == (end, [end])
    assert not any("_token_id: the new tokenizer has no such" in note for note in moved.notes)


def test_quantised_tables_are_refused(tmp_path):
    small.write(tmp_path / "model", "int8")
    finite_weights(tmp_path / "model")
    new = retrained(tmp_path / "new", small.family("int8").tokenizer, special=SPECIAL)
    with pytest.raises(FormatError, match="quantised table cannot be mixed"):
        vocab.transfer(tmp_path / "model", new, tmp_path / "out", method="mean")
    assert not (tmp_path / "out").exists()


def test_auto_takes_the_best_and_says_what_it_is_worth(tmp_path, bert):
    model, new, _ = bert
    moved = vocab.transfer(model, new, tmp_path / "out")
    assert moved.leave_out is not None
    assert moved.method == moved.leave_out.best
    assert set(moved.leave_out.methods) == {"mean", "gaussian", "subword_mean"}
    assert "validated" in str(moved)
    with pytest.raises(FileExistsError):
        vocab.transfer(model, new, tmp_path / "out", method="mean")
    vocab.transfer(model, new, tmp_path / "out", method="mean", overwrite=True)


def test_vectors_by_array_and_by_file(tmp_path, bert, rng):
    model, new, _ = bert
    tokenizer = vocab.Tokenizer.load(new)
    vectors = rng.standard_normal((tokenizer.size, 9)).astype(np.float32)
    names = [token or f"none {i}" for i, token in enumerate(tokenizer.tokens)]
    io.save(io.Embeddings(names, vectors), tmp_path / "tokens.safetensors")
    first = vocab.transfer(model, new, tmp_path / "a", method="focus", vectors=vectors)
    second = vocab.transfer(
        model, new, tmp_path / "b", method="focus", vectors=tmp_path / "tokens.safetensors"
    )
    assert first.mixing == second.mixing
    with pytest.raises(ValueError, match="focus needs vectors"):
        vocab.transfer(model, new, tmp_path / "c", method="focus")
    with pytest.raises(ShapeError, match="vectors: expected a vector for each"):
        vocab.transfer(model, new, tmp_path / "c", method="focus", vectors=vectors[1:])
    word_vectors = io.Embeddings(list(words("en")), rng.standard_normal((4000, 5)).astype("f4"))
    some = vocab.transfer(model, new, tmp_path / "d", method="omp k=2", vectors=word_vectors)
    assert some.mixing.summary()["mixed"] > 0


def test_what_is_refused(tmp_path, bert):
    model, new, _ = bert
    for method in ("none", "omp k=x", "omp q=1", "", None):
        with pytest.raises(ValueError, match="method"):
            vocab.transfer(model, new, tmp_path / "out", method=method)
    with pytest.raises(ValueError, match="apart from the model"):
        vocab.transfer(model, new, model / "out", method="mean")
    with pytest.raises(OSError, match="nowhere"):
        vocab.transfer(model, tmp_path / "nowhere", tmp_path / "out", method="mean")
    assert not (tmp_path / "out").exists()


def test_padding_stays_where_positions_begin_after_it(tmp_path):
    model = tmp_path / "model"
    family = small.write(model, "roberta")
    finite_weights(model)
    old = vocab.Tokenizer.load(model)
    special = [old.tokens[i] for i in old.special.tolist()]
    new = retrained(tmp_path / "new", family.tokenizer, special=special[::-1])
    with pytest.raises(FormatError, match="counts positions from the id of padding"):
        vocab.transfer(model, new, tmp_path / "out", method="mean")


def test_kinds_of_tokens():
    made = vocab.overlap(["a"], ["a"])
    assert made.counts.tolist() == [1]
    from isomorph.vocab.initialization._vocabularies import vocabulary

    tokens = ["dog", "Dog", "##ing", "2026", "...", "##9", "", None]
    found = kinds(vocabulary("tokens", tokens, "##")).tolist()
    named = [KINDS[number] if number >= 0 else None for number in found]
    assert named == ["words", "capitalised", "continuations", "digits", "punctuation", "digits",
                     None, None]  # fmt: skip


def spaces(rng, shared=60, missing=20, columns=8):
    tokens = [f"word{'abcdefghij'[i % 10]}{'abcdefghij'[i // 10]}" for i in range(shared + missing)]
    vectors = rng.standard_normal((shared + missing, columns)).astype(np.float32)
    rows = vectors[:shared] @ rng.standard_normal((columns, 12)).astype(np.float32)
    return tokens[:shared], tokens, vectors, rows


def test_the_score_finds_the_method_that_knows(rng):
    source, target, vectors, rows = spaces(rng)
    methods = ["mean", "gaussian", "focus", "omp k=8", "clp", "wechsel k=3"]
    found = vocab.leave_out(
        rows, source, target, methods=methods, vectors=vectors, source_vectors=vectors[:60]
    )
    # The rows are a linear map of the vectors: eight atoms spell them exactly.
    assert found.best == "omp k=8"
    assert found.decided
    at = found.methods.index("omp k=8")
    np.testing.assert_allclose(found.cosine[at], 1, atol=1e-5)
    np.testing.assert_allclose(found.norm_ratio[at], 1, atol=1e-4)
    np.testing.assert_allclose(found.reciprocal_rank[at], 1)
    assert found.scores[found.methods.index("mean")] < 0.3
    assert found.counts.sum() == 60
    assert found.shares.tolist() == [1, 0, 0, 0, 0]
    again = vocab.leave_out(
        rows, source, target, methods=methods, vectors=vectors, source_vectors=vectors[:60],
        threads=1,
    )  # fmt: skip
    assert again.cosine.tobytes() == found.cosine.tobytes()
    assert all(method in str(found) for method in methods)
    low, high = found.intervals[at]
    assert low <= found.scores[at] <= high


def test_nothing_of_a_hidden_token_is_in_its_row(rng):
    source, target, vectors, _ = spaces(rng, shared=30, missing=0)
    from isomorph.vocab.initialization._vocabularies import vocabulary

    base = vocab.overlap(source, target)
    hidden = np.array([3, 17])
    materials = Materials(
        vocabulary("source", source, ""),
        vocabulary("target", target, ""),
        vectors=vectors,
        source_vectors=vectors[:30],
    )
    for method in ("focus", "omp", "clp", "wechsel k=4"):
        made = hidden_rows(Recipe.parse(method), materials, base, hidden)
        for at, row in enumerate(hidden.tolist()):
            assert row not in made.row(at)[0]
            if method != "omp":
                np.testing.assert_allclose(made.row_sums()[at], 1, atol=1e-5)
        if method == "wechsel k=4":
            assert made.counts.tolist() == [4, 4]


def test_tokens_with_the_same_source_are_hidden_together(rng):
    from isomorph.vocab.initialization._vocabularies import vocabulary

    source, _, vectors, _ = spaces(rng, shared=30, missing=0)
    target = [*source, source[3].title()]
    # The sibling's vector is nearly the hidden one's: it would be the first atom.
    vectors = np.vstack([vectors, vectors[3] + 1e-3])
    base = vocab.overlap(source, target, rule="case")
    assert base.row(30)[0].tolist() == [3]
    materials = Materials(
        vocabulary("source", source, ""), vocabulary("target", target, ""), vectors=vectors
    )
    made = hidden_rows(Recipe.parse("omp k=4"), materials, base, np.array([3]))
    apart = [row for row in range(30) if row != 3]
    alone = vocab.overlap([source[row] for row in apart], [*target[:30]])
    expected = vocab.omp(vectors[:30], alone, k=4).row(3)
    assert [apart[one] for one in expected[0].tolist()] == made.row(0)[0].tolist()
    np.testing.assert_allclose(made.row(0)[1], expected[1], rtol=1e-6)


def test_hidden_words_are_cut_into_other_tokens():
    from isomorph.vocab.initialization._vocabularies import vocabulary

    tokens = ["play", "##ing", "playing", "##i", "##n", "##g"]
    materials = Materials(vocabulary("s", tokens, "##"), vocabulary("t", tokens, "##"))
    base = vocab.overlap(tokens, tokens, source_marks="##", target_marks="##")
    made = hidden_rows(Recipe.parse("subword_mean"), materials, base, np.array([1, 2, 3]))
    assert [made.row(at)[0].tolist() for at in range(3)] == [[3, 4, 5], [0, 1], []]


def left_out(kinds_of, shares, cosine):
    kinds_of, cosine = np.array(kinds_of, np.int8), np.array(cosine, np.float64)
    names = tuple(f"method {at}" for at in range(len(cosine)))
    tokens = np.arange(len(kinds_of))
    return vocab.LeaveOut(names, tokens, kinds_of, cosine, cosine, cosine, np.array(shares))


def test_nothing_is_decided_by_kinds_that_are_not_made():
    kinds_of = [0] + [3] * 50
    cosine = np.array([[0.9] * 51, [0.1] * 51])
    found = left_out(kinds_of, [0.99, 0, 0, 0.01, 0], cosine)
    assert not found.decided
    assert found.covered == pytest.approx(0.01)
    assert "undecided: 99%" in str(found)
    assert left_out(kinds_of, [0.4, 0, 0, 0.6, 0], cosine).decided
    # A kind that is to be made, of which nothing could be hidden.
    assert "capitalised" in str(left_out(kinds_of, [0.2, 0.7, 0, 0.1, 0], cosine))


def test_a_method_without_a_score_is_last():
    found = left_out([0] * 4, [1, 0, 0, 0, 0], [[np.nan] * 4, [0.2] * 4, [0.5] * 4])
    assert found.best == "method 2"
    assert found.decided
    assert not left_out([0] * 4, [1, 0, 0, 0, 0], [[np.nan] * 4]).decided


def test_intervals_are_those_of_student(rng):
    stats = pytest.importorskip("scipy.stats")
    from isomorph.vocab.transfers._student import quantile

    for freedom in (0.5, 1, 1.7, 2, 9.3, 120, 3e4, 5e6):
        for probability in (0.025, 0.5, 0.6, 0.975, 0.9995):
            expected = stats.t.ppf(probability, freedom)
            assert quantile(probability, freedom) == pytest.approx(expected, rel=2e-6, abs=1e-6)
    inside = 0
    for _ in range(400):
        found = left_out([0, 0], [1, 0, 0, 0, 0], rng.standard_normal((1, 2)))
        low, high = found.intervals[0]
        inside += low <= 0 <= high
    assert inside / 400 == pytest.approx(0.95, abs=0.04)
    one = rng.standard_normal(7)
    expected = stats.t.interval(0.95, 6, one.mean(), stats.sem(one))
    np.testing.assert_allclose(left_out([0] * 7, [1, 0, 0, 0, 0], [one]).intervals[0], expected)


def test_files_of_the_old_tokenizer_are_named(tmp_path, bert):
    model, new, _ = bert
    (model / "vocab.txt").write_text("[UNK]\n")
    moved = vocab.transfer(model, new, tmp_path / "out", method="mean")
    assert not (tmp_path / "out" / "vocab.txt").exists()
    assert "vocab.txt: of the old tokenizer, left out" in moved.notes
    report = json.loads((tmp_path / "out" / "isomorph" / "transfer.json").read_text())
    assert any(change["file"] == "vocab.txt" for change in report["changes"])
    assert not any("tokenizer_config.json" in note for note in moved.notes)


def test_a_row_that_is_no_number_is_named(tmp_path, bert):
    model, new, family = bert
    file = model / "model.safetensors"
    raw = bytearray(file.read_bytes())
    start = 8 + int.from_bytes(raw[:8], "little")
    entries = json.loads(raw[8:start])
    name = next(n for n in family.tables if n.endswith("bias") and entries[n]["dtype"] == "F32")
    first = start + entries[name]["data_offsets"][0]
    raw[first + 4 * 40 : first + 4 * 41] = np.float32(np.nan).tobytes()
    file.write_bytes(raw)
    with pytest.raises(NonFiniteError) as caught:
        vocab.transfer(model, new, tmp_path / "out", method="subword_mean")
    assert str(file) in str(caught.value)
    assert f"{name}: row [40] is not finite" in str(caught.value)
    assert "check_finite" not in str(caught.value)


def test_the_command_reads_the_sample_and_prints_ids(tmp_path, bert, capsys):
    from isomorph.cli import main

    model, new, _ = bert
    arguments = ["transfer", str(model), "--tokenizer", str(new), "-o", str(tmp_path / "out")]
    assert main([*arguments, "--vectors", "sample:fr", "--method", "focus"]) == 0
    printed = capsys.readouterr()
    assert "vocab_size" in printed.out
    assert str(tmp_path / "out" / "isomorph" / "transfer.json") in printed.err


def test_recipes():
    assert Recipe.parse("overlap") == Recipe.parse("mean")
    assert Recipe.parse("subword-mean").label == "subword_mean"
    assert all(Recipe.parse(text).label == text for text in CANDIDATES)
    assert {Recipe.parse(text).name for text in CANDIDATES} == set(METHODS)


def test_leave_out_refuses(rng):
    source, target, vectors, rows = spaces(rng)
    with pytest.raises(ShapeError, match="rows: expected at least 60 rows"):
        vocab.leave_out(rows[1:], source, target)
    with pytest.raises(ShapeError, match="target: expected at least 5 tokens"):
        vocab.leave_out(rows, source, ["xx", "yy"])
    with pytest.raises(ValueError, match="omp needs vectors"):
        vocab.leave_out(rows, source, target, methods=["omp"])
    with pytest.raises(TypeError, match="methods: expected a list"):
        vocab.leave_out(rows, source, target, methods="omp")
    with pytest.raises(ValueError, match="folds: expected an integer of 2"):
        vocab.leave_out(rows, source, target, folds=1)
    with pytest.raises(ShapeError, match="vectors: expected a vector for each of 80"):
        vocab.leave_out(rows, source, target, vectors=vectors[1:])

"""VecMap's and fastText's command lines, flag for flag: the figures that the originals print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from isomorph import io
from isomorph.cli import main

ROWS = 20_000
#: Accuracy in per cent: nearest neighbours, CSLS, inverted softmax.
VECMAP = {
    ("fr", "--orthogonal"): (71.17, 73.64, 69.06),
    ("fr", "--emnlp2016 TRAIN"): (71.02, 73.78, 68.63),
    ("fr", "--unconstrained"): (69.57, 73.42, 70.08),
    ("fr", "--aaai2018 TRAIN"): (71.82, 74.51, 66.52),
    ("fr", "--supervised TRAIN"): (72.19, 75.24, 68.99),
    ("fr", "--semi_supervised SEED"): (68.99, 71.97, 65.80),
    ("fr", "--identical"): (68.55, 71.97, 65.58),
    ("fr", "--unsupervised"): (69.14, 72.11, 65.58),
    ("fi", "--orthogonal"): (58.47, 63.81, 53.96),
    ("fi", "--emnlp2016 TRAIN"): (59.21, 64.27, 54.14),
    ("fi", "--unconstrained"): (59.30, 65.19, 54.70),
    ("fi", "--aaai2018 TRAIN"): (58.84, 60.22, 50.46),
    ("fi", "--supervised TRAIN"): (60.68, 63.17, 54.42),
    ("fi", "--semi_supervised SEED"): (40.52, 45.95, 44.48),
    ("fi", "--identical"): (41.16, 46.69, 43.00),
}
RETRIEVALS = ("nn", "csls", "invsoftmax --inv_temperature 30 --inv_sample 5000")
COVERAGE = {"fr": "91.80%", "fi": "72.40%"}
#: Points; the inverted softmax draws, as do the modes that learn.
EXACT, DRAWN, LEARNED = 0.15, 0.7, 1.5
#: The objective after 10 iterations; accuracy at first, at last, and of the file: NN and CSLS.
FASTTEXT = {
    ("fr", "--lr 1 --niter 10"): (-0.1196, 0.6300, 0.6580, 0.6580, 0.6820),
    ("fr", "--lr 1 --niter 10 --model spectral"): (-0.1171, 0.6300, 0.6553, 0.6553, 0.6827),
    ("fr", "--lr 25 --niter 10"): (0.0308, 0.6300, 0.4313, 0.4313, 0.5727),
    ("fr", "--lr 1 --niter 10 --center"): (-0.1430, 0.6533, 0.6633, 0.6333, 0.6620),
    ("fi", "--lr 1 --niter 10"): (-0.0854, 0.3860, 0.4553, 0.4553, 0.4740),
    ("fi", "--lr 1 --niter 10 --model spectral"): (-0.0832, 0.3860, 0.4520, 0.4520, 0.4700),
    ("fi", "--lr 25 --niter 10"): (-0.0428, 0.3860, 0.3373, 0.3380, 0.4120),
    ("fi", "--lr 1 --niter 10 --center"): (-0.0985, 0.4233, 0.4540, 0.4547, 0.4840),
}
QUICK = ("fr", "--supervised TRAIN"), ("fr", "--lr 1 --niter 10")


def cases(table):
    return [
        pytest.param(*key, id=" ".join(key), marks=() if key in QUICK else pytest.mark.slow)
        for key in table
    ]


@pytest.fixture(scope="module")
def folder(shared_data: Path, tmp_path_factory) -> Path:
    """Text as the originals were given it: six significant digits, spaces in the dictionaries."""
    made = tmp_path_factory.mktemp("golden")
    for language in ("en", "fr", "fi"):
        read = io.load(shared_data / "vectors" / f"{language}.float16.npy", limit=ROWS)
        io.save(read, made / f"{language}.vec", numbers="%.6g")
    for language in ("fr", "fi"):
        for part in ("train", "test"):
            path = shared_data / "dictionaries" / f"muse.en-{language}.{part}.tsv"
            text = path.read_text("utf-8").replace("\t", " ")
            (made / f"{language}.{part}").write_text(text, encoding="utf-8")
            if part == "train":
                few = "\n".join(text.splitlines()[:300]) + "\n"
                (made / f"{language}.seed").write_text(few, encoding="utf-8")
    return made


@pytest.fixture
def command(capsys, monkeypatch, folder):
    monkeypatch.chdir(folder)

    def run(line: str) -> str:
        capsys.readouterr()
        assert main(line.split()) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return run


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("language", "options"), cases(VECMAP))
def test_vecmap(command, language, options):
    learns = options.startswith(("--semi", "--identical", "--unsupervised"))
    if options in ("--orthogonal", "--unconstrained"):
        options += " --init_dictionary TRAIN --normalize unit center unit"
    options = options.replace("TRAIN", f"{language}.train").replace("SEED", f"{language}.seed")
    if learns:
        options += " --vocabulary_cutoff 4000 --no_verdict"
    assert command(f"vecmap map en.vec {language}.vec x.vec z.vec {options}") == ""
    key = next(key for key in VECMAP if key[0] == language and key[1].split()[0] in options)
    for retrieval, printed in zip(RETRIEVALS, VECMAP[key], strict=True):
        out = command(f"vecmap evaluate x.vec z.vec -d {language}.test --retrieval {retrieval}")
        found = re.fullmatch(r"Coverage: (\d+\.\d\d%)  Accuracy: (\d+\.\d\d)%\n", out)
        assert found[1] == COVERAGE[language]
        allowed = LEARNED if learns else DRAWN if "inv" in retrieval else EXACT
        assert abs(float(found[2]) - printed) <= allowed, (retrieval, found[2])


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("language", "options"), cases(FASTTEXT))
def test_fasttext(command, language, options):
    objective, first, last, nearest, csls = FASTTEXT[language, options]
    vectors = f"--src_emb en.vec --tgt_emb {language}.vec"
    test = f"--dico_test {language}.test"
    out = command(
        f"fasttext align {vectors} --dico_train {language}.train {test} --maxneg 20000 {options} "
        "--output o.vec"
    )
    figures = {
        name: float(re.search(pattern, out, re.MULTILINE)[1])
        for name, pattern in (
            ("objective", r"^\[it=10\] f = (-?\d\.\d{4})$"),
            ("first", r"^\[init -- Procrustes\] NN: (\d\.\d{4})$"),
            ("last", r"^\[final\] NN = (\d\.\d{4}) - Coverage = \d\.\d{4}$"),
        )
    }
    assert figures["objective"] == pytest.approx(objective, abs=1.01e-4)
    assert figures["first"] == pytest.approx(first, abs=0.003)
    assert figures["last"] == pytest.approx(last, abs=0.003)
    # The file that was written, and without --center the matrix beside it.
    ways = [f"--src_emb o.vec --tgt_emb {language}.vec"]
    if "--center" not in options:
        ways.append(f"{vectors} --src_mat o.vec-mat")
    for way in ways:
        out = command(f"fasttext eval {way} {test}")
        found = re.search(r"^NN = (\S+) - CSLS = (\S+) - Coverage = \S+$", out, re.MULTILINE)
        assert float(found[1]) == pytest.approx(nearest, abs=0.003)
        assert float(found[2]) == pytest.approx(csls, abs=0.003)

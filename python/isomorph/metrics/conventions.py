"""What "P@1" means: the three published conventions, each choice spelled out and named."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

__all__ = ["CONVENTIONS", "Convention", "resolve"]


@dataclass(frozen=True, slots=True)
class Convention:
    """How a published evaluation reads its files and counts its words.

    The same two files and dictionary give different figures under different conventions, mostly
    by `oov`. What concerns files is used in loading (:func:`isomorph.metrics.evaluate_files`),
    what concerns counting in :func:`isomorph.metrics.word_translation`.

    Attributes
    ----------
    name : str
        ``"vecmap"``, ``"muse"``, ``"fasttext"``, or one of your own.
    duplicates : {"first", "last"}
        Which row a word that comes several times stands for.
    lowercase : bool
        Lower-case the words of vectors and dictionary before they are compared. Words that become
        the same are duplicates, of which the first stays.
    limit : int, optional
        Rows read from the top of each vector file; None reads all.
    oov : {"drop", "error"}
        Dictionary sources without any known pair: left out of the denominator, or counted as
        wrong answers.
    zero_rows : {"keep", "first-axis"}
        An all-zero vector has cosine 0 with everything, or (MUSE) is given a small first
        coordinate, so that it points along the first axis.
    csls : {"target", "both"}
        Score form: ``2 cos - r_target``, or ``2 cos - r_source - r_target``. The order of a word's
        translations is the same; only scores differ (:meth:`csls_scores`).
    norm_epsilon : float
        What is added to a norm before dividing. Recorded, not applied: 1e-8 moves the cosine of
        rows of unit size by less than float32 can show.
    dtype : str
        The type that the published program computes in. Recorded, not applied: our scores are
        accumulated in float64 whatever the input.
    """

    name: str
    duplicates: Literal["first", "last"] = "first"
    lowercase: bool = False
    limit: int | None = None
    oov: Literal["drop", "error"] = "drop"
    zero_rows: Literal["keep", "first-axis"] = "keep"
    csls: Literal["target", "both"] = "both"
    norm_epsilon: float = 0.0
    dtype: str = "float32"

    def __post_init__(self) -> None:
        choices: dict[str, tuple[str, ...]] = {
            "duplicates": ("first", "last"),
            "oov": ("drop", "error"),
            "zero_rows": ("keep", "first-axis"),
            "csls": ("target", "both"),
        }
        for field, allowed in choices.items():
            if (value := getattr(self, field)) not in allowed:
                raise ValueError(f"{field}: expected one of {', '.join(allowed)}, got {value!r}")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit: expected 1 or more, or None, got {self.limit!r}")

    def csls_scores(self, scores: Any, source_radii: Any) -> Any:
        """Turn scores of :func:`isomorph.csls` (queries x k) into this convention's form.

        Parameters
        ----------
        scores : array of shape (n, k)
            ``2 cos - r_source - r_target``.
        source_radii : array of shape (n,)
            Of the same queries.
        """
        return scores + source_radii[:, None] if self.csls == "target" else scores


#: The published conventions by name. Sources: artetxem/vecmap ``eval_translation.py`` (2019-07),
#: facebookresearch/MUSE ``evaluate.py`` (2019-04), facebookresearch/fastText ``alignment/eval.py``
#: (2024-03), as read in their code.
CONVENTIONS = MappingProxyType(
    {
        "vecmap": Convention("vecmap", duplicates="last", csls="target"),
        "muse": Convention("muse", lowercase=True, limit=200_000, zero_rows="first-axis"),
        "fasttext": Convention(
            "fasttext",
            limit=200_000,
            oov="error",
            csls="target",
            norm_epsilon=1e-8,
            dtype="float64",
        ),
    }
)


def resolve(convention: str | Convention) -> Convention:
    """Return the convention of that name, or the one given."""
    if isinstance(convention, Convention):
        return convention
    if convention not in CONVENTIONS:
        raise ValueError(
            f"convention: expected one of {', '.join(CONVENTIONS)} or a Convention, got "
            f"{convention!r}"
        )
    return CONVENTIONS[convention]

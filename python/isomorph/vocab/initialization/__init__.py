"""How the rows of a new vocabulary begin: by a mixing, or drawn where there is none."""

from isomorph.vocab.initialization._clp import clp
from isomorph.vocab.initialization._focus import focus
from isomorph.vocab.initialization._gaussian import gaussian
from isomorph.vocab.initialization._hull import HullMembership, in_convex_hull
from isomorph.vocab.initialization._mean import mean
from isomorph.vocab.initialization._multivariate_gaussian import multivariate_gaussian
from isomorph.vocab.initialization._norms import match_norm
from isomorph.vocab.initialization._ofa import Factors, factorize, ofa
from isomorph.vocab.initialization._omp import omp
from isomorph.vocab.initialization._overlap import overlap
from isomorph.vocab.initialization._subword_mean import subword_mean
from isomorph.vocab.initialization._token_groups import token_groups
from isomorph.vocab.initialization._transtokenization import transtokenization
from isomorph.vocab.initialization._wechsel import wechsel
from isomorph.vocab.initialization._word_spaces import from_ngrams, from_words

__all__ = [
    "Factors",
    "HullMembership",
    "clp",
    "factorize",
    "focus",
    "from_ngrams",
    "from_words",
    "gaussian",
    "in_convex_hull",
    "match_norm",
    "mean",
    "multivariate_gaussian",
    "ofa",
    "omp",
    "overlap",
    "subword_mean",
    "token_groups",
    "transtokenization",
    "wechsel",
]

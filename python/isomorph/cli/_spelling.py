"""What the library says of its arguments, as options of the command line."""

from __future__ import annotations

import re

#: Python as errors and notes of the library spell it, and the option that is meant.
_OPTIONS = tuple(
    (re.compile(python), option)
    for python, option in (
        (r"languages=\{'(\w+)': \['([^']+)'\]\}", r"--language \1=\2"),
        (r"scripts=\['(\w+)'\]", r"--scripts \1"),
        (r"tables=\{'([^']+)': '(\w+)'\}", r"--table \1=\2"),
        (r"tables=\{'([^']+)': None\}", r"--table \1=none"),
        (r"leave_out=\['([^']+)'\]", r"--leave-out '\1'"),
        (r"errors='replace' reads", "--replace-errors reads"),
        (r"name another with field=$", "name another with --field"),
        (r"dry_run=True", "--dry-run"),
        (r"; lines in memory are given as Corpus\.from_lines\(lines\)", ""),
        (r"size and max_extra_tokens: expected one", "--size and --max-extra-tokens: expected one"),
        (r"and the plan's budget shows both", "and --dry-run shows both"),
        (r"(?<=: )expected a corpus beside it", "expected --corpus or --language beside it"),
        (r"^(characters|scripts|keep)(?=: expected)", r"--\1"),
        (r"(?<= needs )vectors(?= \()", "--vectors"),
        (r"(?<=, )source_vectors(?= \()|(?<= needs )source_vectors(?= \()", "--source-vectors"),
        (r"^vectors, source_vectors(?=: )", "--vectors, --source-vectors"),
        (r"rule='loose' compares", "--rule loose compares"),
        (r"or a lower min_count, or more scripts", "or a lower --min-count, or more --scripts"),
    )
)


def as_options(text: str) -> str:
    """Name the options where the library names its arguments."""
    for python, option in _OPTIONS:
        text = python.sub(option, text)
    return text

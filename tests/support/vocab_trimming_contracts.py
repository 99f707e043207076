"""The public functions of trims: they take folders of models, no arrays of vectors."""

_TRIM = "takes a model's folder; tests/unit/test_trim.py"

TRIMMING = {
    "Certificate.as_dict": _TRIM,
    "Certificate.load": _TRIM,
    "Certificate.save": _TRIM,
    "Certificate.to_json": _TRIM,
    "Certificate.verify": _TRIM,
    "Footprint.as_dict": _TRIM,
    "Trimmed.as_dict": _TRIM,
    "Trimmed.table": _TRIM,
    "Untrimmed.as_dict": _TRIM,
    "vocab.trim": _TRIM,
    "vocab.untrim": _TRIM,
}

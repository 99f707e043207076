"""What ``isomorph info`` says of models that were trimmed or transferred, and of mixings."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def describe(folder: Path) -> dict[str, Any] | None:
    """Return what is known of a model from what isomorph left in its folder; None for no model."""
    from isomorph.vocab.checkpoints import _folder
    from isomorph.vocab.transfers._written import REPORT
    from isomorph.vocab.trimming._certificate import CERTIFICATE, Certificate

    if (folder / CERTIFICATE).is_file():
        certificate = Certificate.load(folder)
        return {
            "kind": "trimmed model",
            "claim": certificate.claim,
            "tokens": certificate.tokens,
            "verified": list(certificate.statements),
            "certificate": f"{CERTIFICATE}, SHA-256 {certificate.sha256}",
        }
    if (folder / REPORT).is_file():
        found = _folder.read_json(folder / REPORT)
        origins = found.get("origins", {})
        return {
            "kind": "transferred model",
            "method": str(found.get("method")),
            "norms matched": found.get("match_norm") or "no",
            "rows": {name: sum(counts.values()) for name, counts in origins.items()},
            "chosen by leave-out": found.get("leave_out") is not None,
            "changes": len(found.get("changes", [])),
            "notes": {str(n): str(note) for n, note in enumerate(found.get("notes", []), 1)},
        }
    if not (folder / "config.json").is_file() or list(folder.glob("map*.safetensors")):
        return None
    config = _folder.read_json(folder / "config.json")
    return {
        "kind": "model, neither trimmed nor transferred by isomorph",
        "type": str(config.get("model_type")),
        "tokens": config.get("vocab_size", "not said"),
    }


def describe_mixing(file: Path) -> dict[str, Any]:
    """Return what a mixing of tokens is."""
    import numpy as np

    from isomorph import vocab

    mixing = vocab.TokenMixing.load(file)
    counts, sums = mixing.counts[mixing.counts > 0], mixing.row_sums()[mixing.counts > 0]
    quantiles = dict.fromkeys(("least", "median", "largest"), 0.0)
    if len(counts):
        found = np.quantile(counts, (0, 0.5, 1)).tolist()
        quantiles = dict(zip(quantiles, found, strict=True))
    convex = bool((mixing.weights >= 0).all() and np.allclose(sums, 1, rtol=0, atol=1e-5))
    return {
        "kind": "mixing of tokens",
        "target tokens": mixing.shape[0],
        "source tokens": mixing.shape[1],
        "method": mixing.method,
        "settings": dict(mixing.settings),
        "rows": mixing.summary(),
        "entries": len(mixing.weights),
        "sources of a row": quantiles,
        "convex": convex,
        "type": str(mixing.weights.dtype),
    }

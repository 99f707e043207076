"""VecMap's map from a thin SVD of the rows themselves, in plain NumPy and float64."""

from __future__ import annotations

import numpy as np


def mapped(x, z, rows_x, rows_z, how, dimensions=None):
    """Fit on the rows of the pairs and map `x` and `z`; `how` has the fields of a VecMapMode."""
    x, z, rows_x, rows_z = (np.asarray(side, dtype=np.float64) for side in (x, z, rows_x, rows_z))
    if how.kind == "orthogonal":
        u, _, vt = np.linalg.svd(rows_x.T @ rows_z, full_matrices=False)
        return x @ u @ vt, z
    if how.kind == "unconstrained":
        return x @ np.linalg.lstsq(rows_x, rows_z, rcond=1e-10)[0], z
    whitening, back = {}, {}
    for side, rows in (("source", rows_x), ("target", rows_z)):
        _, s, vt = np.linalg.svd(rows, full_matrices=False)
        kept = s > 1e-6 * s[0] if how.whiten else s > -1
        s, vt = s[kept], vt[kept]
        whitening[side] = vt.T @ np.diag(1 / s) @ vt if how.whiten else np.eye(rows.shape[1])
        back[side] = vt.T @ np.diag(s) @ vt
    u, s, vt = np.linalg.svd(
        (rows_x @ whitening["source"]).T @ (rows_z @ whitening["target"]), full_matrices=False
    )
    basis = {"source": u, "target": vt.T}
    if not how.whiten:
        s = s / s[0]
    answer = []
    for side, rows in (("source", x), ("target", z)):
        rows = rows @ whitening[side] @ basis[side] * s ** getattr(how, f"{side}_reweight")
        undone = getattr(how, f"{side}_dewhiten")
        if undone is not None:
            rows = rows @ basis[undone].T @ back[undone] @ basis[undone]
        answer.append(rows[:, :dimensions])
    return tuple(answer)

"""The Rust core, on NumPy arrays."""

from __future__ import annotations

from typing import Any

from isomorph import _core, runtime
from isomorph._backends import Choice, Dropout, FromRows, Run
from isomorph._backends.cpu_assign import CpuAssign
from isomorph._backends.cpu_hubness import CpuHubness
from isomorph._backends.cpu_linalg import CpuLinalg
from isomorph._backends.cpu_mixing import CpuMixing
from isomorph._backends.cpu_moments import CpuMoments
from isomorph._backends.cpu_transport import CpuTransport
from isomorph._progress import reporting


class CpuBackend(CpuLinalg, CpuMoments, CpuHubness, CpuMixing, CpuTransport, CpuAssign):
    """See :class:`isomorph._backends.Backend`."""

    def first_nonfinite_row(self, array: Any) -> int | None:
        """See the protocol."""
        return _core.first_nonfinite_row(array, runtime.resolve_threads())

    def topk(
        self, queries: Any, corpus: Any, k: int, metric: str, exclude_self: bool, run: Run
    ) -> tuple[Any, Any]:
        """See the protocol."""
        with reporting(run.progress, "neighbours") as report:
            return _core.topk(
                queries, corpus, k, metric, exclude_self, run.threads, report, *run.indexes
            )

    def maxsim(
        self,
        queries: Any,
        query_offsets: Any,
        documents: Any,
        document_offsets: Any,
        k: int | None,
        check_finite: bool,
        run: Run,
    ) -> Any:
        """See the protocol."""
        with reporting(run.progress, "late interaction") as report:
            return _core.maxsim(
                queries,
                query_offsets,
                documents.values,
                documents.kind,
                documents.scales,
                document_offsets,
                k,
                check_finite,
                run.threads,
                report,
            )

    def places(
        self,
        queries: Any,
        corpus: Any,
        offsets: Any,
        items: Any,
        metric: str,
        exclude_self: bool,
        run: Run,
    ) -> tuple[Any, Any]:
        """See the protocol."""
        with reporting(run.progress, "ranks") as report:
            found = _core.places(
                queries, corpus, offsets, items, metric, exclude_self, run.threads, report
            )
        if found is None:
            # Norms near the ends of float64: rows are scaled before they are multiplied.
            import array_api_compat.numpy

            from isomorph._backends.array_places import ArrayPlaces

            plain = ArrayPlaces()
            plain.xp = array_api_compat.numpy
            return plain.places(queries, corpus, offsets, items, metric, exclude_self, run)
        return found

    def csls_radii(self, source: Any, target: Any, neighborhood: int, run: Run) -> tuple[Any, Any]:
        """See the protocol."""
        with reporting(run.progress, "radii") as report:
            return _core.csls_radii(source, target, neighborhood, run.threads, report, *run.indexes)

    def csls(
        self, source: Any, target: Any, k: int, source_radii: Any, target_radii: Any, run: Run
    ) -> tuple[Any, Any]:
        """See the protocol."""
        with reporting(run.progress, "CSLS") as report:
            return _core.csls(
                source, target, k, source_radii, target_radii, run.threads, report, *run.indexes
            )

    def csls_both(
        self, source: Any, target: Any, k: int, source_radii: Any, target_radii: Any, run: Run
    ) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """See the protocol."""
        with reporting(run.progress, "CSLS") as report:
            return _core.csls_both(
                source, target, k, source_radii, target_radii, run.threads, report, *run.indexes
            )

    def induce(
        self,
        source: Any,
        target: Any,
        neighborhood: int,
        directions: str,
        dropout: Dropout,
        *,
        second: bool,
        largest: bool,  # noqa: ARG002 - it is known anyway
        run: Run,
    ) -> tuple[Choice | None, Choice | None]:
        """See the protocol."""
        with reporting(run.progress, "induction") as report:
            forward, backward = _core.induce(
                source,
                target,
                neighborhood,
                directions,
                dropout.keep,
                dropout.seed,
                dropout.step,
                second,
                run.threads,
                report,
            )
        return (
            None if forward is None else Choice(*forward),
            None if backward is None else Choice(*backward),
        )

    def csls_from_rows(
        self, source: Any, target: Any, k: int, neighborhood: int, both: bool, run: Run
    ) -> FromRows:
        """See the protocol."""
        with reporting(run.progress, "CSLS") as report:
            found = _core.csls_from_rows(
                source, target, k, neighborhood, both, run.threads, report, *run.indexes
            )
        return FromRows(*found)

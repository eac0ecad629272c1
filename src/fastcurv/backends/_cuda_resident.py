"""Jobs over points that are on a CUDA device already: nothing crosses to the host."""

from __future__ import annotations

from ._arguments import kinds_of
from ._cuda_jobs import Launcher, check_arguments, compile_for, kernels_of, there
from .cpu import Job, Points, Shares
from .cuda import constant, cuda, driver_errors


class ResidentLauncher(Launcher):
    """The same of points on the present device, into arrays there."""

    def launch(
        self, job: Job, points: Points, data: tuple, plan: Shares, evaluations: int, items: int | None = None
    ) -> None:  # fmt: skip
        """Run a job over all points; results are there for any stream."""
        count, items = len(points.x), len(points.x) if items is None else items
        if count == 0 or items == 0:
            return
        check_arguments(points.args)
        made = kernels_of(job, kinds_of(points.args, points.point_args)).made(points, data, plan)
        given = there(points.args), points.point_args
        arguments = made.arguments(made.items, constant(plan.layout), points.x, given, there(data))
        compile_for(made.kernel, arguments, job)
        made.launch(*arguments)
        with driver_errors():
            cuda.synchronize()

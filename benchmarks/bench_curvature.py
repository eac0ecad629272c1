"""asv: the fused pass over value, gradient, Hessian, spectrum and what is read from them."""

import fastcurv as fc

from .cases import NAMES, case_with_points


class Curvature:
    params = NAMES
    param_names = ("case",)
    timeout = 300

    def setup(self, name):
        self.case, self.x = case_with_points(name)

    def time_curvature(self, _):
        fc.curvature(self.case.fun, self.x, self.case.args, method="central")


class Extras:
    params = ("eigenvectors", "hessian", "newton_step")
    param_names = ("extra",)

    def setup(self, _):
        self.case, self.x = case_with_points("Rosenbrock 8")

    def time_curvature(self, extra):
        fc.curvature(self.case.fun, self.x, self.case.args, method="central", extra=(extra,))


class Memory:
    """Hessians are never stored: 20,000 of them at n = 32 would be 160 MB."""

    def setup(self):
        self.fun = case_with_points("Rosenbrock 32")[0].fun
        self.x = case_with_points("Rosenbrock 32")[0].points(20_000)

    def peakmem_curvature(self):
        fc.curvature(self.fun, self.x, method="central")

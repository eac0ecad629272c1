"""asv: gradient, Hessian and Hessian-vector products over the case table."""

import numpy as np

import fastcurv as fc

from .cases import MORE_NAMES, NAMES, case_with_points


class Derivatives:
    params = NAMES
    param_names = ("case",)
    timeout = 300

    def setup(self, name):
        self.case, self.x = case_with_points(name)
        self.v = np.ones(self.case.n)

    def time_gradient(self, _):
        fc.gradient(self.case.fun, self.x, self.case.args, method="central")

    def time_hessian(self, _):
        fc.hessian(self.case.fun, self.x, self.case.args, method="central")

    def time_exact_hessian(self, _):
        fc.hessian(self.case.fun, self.x, self.case.args, method="exact")

    def time_hvp(self, _):
        fc.hvp(self.case.fun, self.x, self.v, self.case.args, method="central")


class MoreDerivatives:
    params = MORE_NAMES
    param_names = ("case",)
    timeout = 300

    def setup(self, name):
        self.case, self.x = case_with_points(name)

    def time_exact_hessian(self, _):
        fc.hessian(self.case.fun, self.x, self.case.args, method="exact")


class HessianOptions:
    """What order, storage type and error estimate cost, on one case."""

    params = (
        {"order": 4},
        {"order": 8},
        {"method": "forward"},
        {"stencil": "4-point"},
        {"return_error": True},
    )
    param_names = ("options",)

    def setup(self, _):
        self.case, self.x = case_with_points("Rosenbrock 8")

    def time_hessian(self, options):
        fc.hessian(self.case.fun, self.x, self.case.args, **({"method": "central"} | options))


class OnePoint:
    """The cost of a warm call: everything around the arithmetic."""

    def setup(self):
        case, x = case_with_points("Rosenbrock 4")
        self.fun, self.x = case.fun, x[0].copy()

    def time_hessian(self):
        fc.hessian(self.fun, self.x)

    def time_central_hessian(self):
        fc.hessian(self.fun, self.x, method="central")

    def time_gradient(self):
        fc.gradient(self.fun, self.x)

"""The shape of your functions: gradients, Jacobians, Hessians, spectra and what they mean, in bulk."""

__version__ = "0.1.0.dev0"

from . import landscapes, plot
from ._check import check, explain, show_versions
from ._curvature import STATUS, Curvature, Definiteness, Kind, curvature
from ._derivatives import gradient, hessian, hvp, jacobian, quadratic_model, value
from ._eigen import EighResult, eigh, eigvalsh
from ._errors import CompilationError, DeviceError, StoreError
from ._grids import Grid, Line, Plane, Samples
from ._model import QuadraticModel
from ._noise import estimate_noise
from ._objective import Objective, objective
from ._scan import scan
from .backends._threads import get_threads, set_threads, threads
from .function import vectorized

__all__ = [
    "STATUS", "CompilationError", "Curvature", "Definiteness", "DeviceError", "EighResult", "Grid", "Kind", "Line",
    "Objective", "Plane", "QuadraticModel", "Samples", "StoreError", "check", "curvature", "eigh", "eigvalsh",
    "estimate_noise", "explain", "get_threads", "gradient", "hessian", "hvp", "jacobian", "landscapes", "objective",
    "plot", "quadratic_model", "scan", "set_threads", "show_versions", "threads", "value", "vectorized",
]  # fmt: skip

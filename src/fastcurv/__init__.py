"""The shape of your functions: gradients, Jacobians, Hessians, spectra and what they mean, in bulk."""

__version__ = "0.1.0.dev0"

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import landscapes
from ._check import check, explain, show_versions
from ._curvature import STATUS, Curvature, Definiteness, Kind, curvature
from ._derivatives import gradient, hessian, jacobian, quadratic_model, value
from ._eigen import EighResult, eigh, eigvalsh
from ._errors import CompilationError, DeviceError, StoreError
from ._grids import Grid, Line, Plane, Samples
from ._model import QuadraticModel
from ._noise import estimate_noise
from ._objective import Objective, objective
from ._products import hvp, vhv
from ._trace import trace
from .backends._threads import get_threads, set_threads, threads
from .function import vectorized

if TYPE_CHECKING:
    from . import plot
    from ._scan import scan

__all__ = [
    "STATUS", "CompilationError", "Curvature", "Definiteness", "DeviceError", "EighResult", "Grid", "Kind", "Line",
    "Objective", "Plane", "QuadraticModel", "Samples", "StoreError", "check", "curvature", "eigh", "eigvalsh",
    "estimate_noise", "explain", "get_threads", "gradient", "hessian", "hvp", "jacobian", "landscapes", "objective",
    "plot", "quadratic_model", "scan", "set_threads", "show_versions", "threads", "trace", "value",
    "vectorized", "vhv",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """`plot` and `scan` when first asked for: a fifth of the time to import."""
    if name == "plot":
        return import_module(".plot", __name__)
    if name == "scan":
        return import_module("._scan", __name__).scan
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

"""The shape of your functions: gradients, Jacobians, Hessians, spectra and what they mean, in bulk."""

__version__ = "0.1.0.dev0"

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._garbage import no_collection

with no_collection():
    from ._derivatives import gradient, hessian, jacobian, quadratic_model, value
    from ._errors import CompilationError, DeviceError, StoreError
    from ._grids import Grid, Line, Plane, Samples
    from ._model import QuadraticModel
    from ._noise import estimate_noise
    from ._products import hvp, vhv
    from .backends._threads import get_threads, set_threads, threads
    from .function import vectorized

if TYPE_CHECKING:
    from . import landscapes, plot
    from ._check import check, explain, show_versions
    from ._curvature import STATUS, Curvature, Definiteness, Kind, curvature
    from ._eigen import EighResult, eigh, eigvalsh
    from ._objective import Objective, objective
    from ._scan import scan
    from ._trace import trace

__all__ = [
    "STATUS", "CompilationError", "Curvature", "Definiteness", "DeviceError", "EighResult", "Grid", "Kind", "Line",
    "Objective", "Plane", "QuadraticModel", "Samples", "StoreError", "check", "curvature", "eigh", "eigvalsh",
    "estimate_noise", "explain", "get_threads", "gradient", "hessian", "hvp", "jacobian", "landscapes", "objective",
    "plot", "quadratic_model", "scan", "set_threads", "show_versions", "threads", "trace", "value",
    "vectorized", "vhv",
]  # fmt: skip


#: what is imported when it is first asked for, by its module: half of the time to import
_LATER = {
    "_check": ("check", "explain", "show_versions"),
    "_curvature": ("STATUS", "Curvature", "Definiteness", "Kind", "curvature"),
    "_eigen": ("EighResult", "eigh", "eigvalsh"),
    "_objective": ("Objective", "objective"),
    "_scan": ("scan",),
    "_trace": ("trace",),
    "landscapes": (),
    "plot": (),
}


def __getattr__(name: str) -> Any:
    for module, names in _LATER.items():
        if name == module or name in names:
            with no_collection():
                found = import_module(f".{module}", __name__)
            globals().update({each: getattr(found, each) for each in names})
            return found if name == module else getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

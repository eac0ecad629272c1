"""The shape of your functions: gradients, Jacobians, Hessians, spectra and what they mean, in bulk."""

from ._curvature import STATUS, Curvature, Definiteness, Kind, curvature
from ._derivatives import gradient, hessian, hvp, jacobian, quadratic_model, value
from ._eigen import EighResult, eigh, eigvalsh
from ._errors import CompilationError, DeviceError, StoreError
from ._model import QuadraticModel
from .backends._threads import get_threads, set_threads, threads
from .function import vectorized

__version__ = "0.1.0.dev0"

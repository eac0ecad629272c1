"""The quantities that a scan can keep: fields of `Curvature`, their dimensions and their meaning."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcurv._grids import _Points
from fastcurv._store import Variable


@dataclass(frozen=True)
class _Quantity:
    """A field of `Curvature`: dimensions beyond the grid's, type ("float": that of the points), meaning."""

    dims: tuple[str, ...]
    dtype: str
    long_name: str
    extra: bool = False  # computed only when named in `extra`
    flags: str = ""  # the enumeration that the numbers stand for


_MODE, _COORDINATE, _MATRIX = ("mode",), ("coordinate",), ("coordinate", "coordinate_2")
#: dimensions of a dataset that are not the grid's
INNER_DIMS = _MODE + _MATRIX

QUANTITIES: dict[str, _Quantity] = {
    "value": _Quantity((), "float", "function value f"),
    "gradient": _Quantity(_COORDINATE, "float", "gradient g"),
    "gradient_norm": _Quantity((), "float", "Euclidean norm of the gradient"),
    "eigenvalues": _Quantity(_MODE, "float", "eigenvalues of the Hessian, ascending"),
    "eigenvalue_min": _Quantity((), "float", "smallest eigenvalue of the Hessian"),
    "eigenvalue_max": _Quantity((), "float", "largest eigenvalue of the Hessian"),
    "eigenvalue_error": _Quantity((), "float", "absolute error bound of every eigenvalue of the point"),
    "index": _Quantity((), "int16", "number of certainly negative eigenvalues; -1 invalid, -2 not computed yet"),
    "nullity": _Quantity((), "int16", "number of eigenvalues that may be zero; -1 invalid, -2 not computed yet"),
    "definiteness": _Quantity((), "int8", "definiteness of the Hessian", flags="Definiteness"),
    "kind": _Quantity((), "int8", "kind of critical point", flags="Kind"),
    "condition_number": _Quantity((), "float", "condition number of the Hessian; inf where nullity > 0"),
    "gradient_curvature": _Quantity((), "float", "curvature along the gradient, g'Hg/g'g"),
    "optimal_step": _Quantity((), "float", "gradient step that minimises the quadratic model, g'g/g'Hg"),
    "uphill_step": _Quantity((), "float", "gradient step beyond which the quadratic model rises, 2g'g/g'Hg"),
    "max_stable_step": _Quantity((), "float", "strict bound of a stable gradient step, 2/L"),
    "best_step": _Quantity((), "float", "fixed gradient step that converges fastest, 2/(mu+L)"),
    "convergence_rate": _Quantity((), "float", "rate of gradient descent with best_step, (kappa-1)/(kappa+1)"),
    "laplacian": _Quantity((), "float", "trace of the Hessian"),
    "status": _Quantity((), "int8", "status of the point", flags="STATUS"),
    "eigenvectors": _Quantity(("coordinate", "mode"), "float", "unit eigenvectors, one for each mode", extra=True),
    "hessian": _Quantity(_MATRIX, "float", "Hessian", extra=True),
    "newton_step": _Quantity(_COORDINATE, "float", "Newton step, -H^-1 g", extra=True),
}

DEFAULT = (
    "value",
    "gradient_norm",
    "eigenvalue_min",
    "eigenvalue_max",
    "index",
    "nullity",
    "definiteness",
    "condition_number",
    "optimal_step",
)

#: what integers hold where nothing was computed yet: a member of all enumerations
NOT_COMPUTED = -2

# STATUS maps codes to sentences; CF flag_meanings are single words.
_STATUS_WORDS = {
    0: "ok",
    -4: "not_converged",
    -3: "not_finite",
    -5: "outside_the_bounds",
    -6: "raised",
    -2: "not_computed",
}


def variable(quantity: str, grid: _Points) -> Variable:
    entry = QUANTITIES[quantity]
    dtype = grid.dtype if entry.dtype == "float" else np.dtype(entry.dtype)
    values, words = _flags(entry.flags)
    fill: float | int = math.nan if dtype.kind == "f" else NOT_COMPUTED
    attrs: dict[str, Any] = {"long_name": entry.long_name}
    if words:
        attrs.update(flag_values=values, flag_meanings=" ".join(words))
    return Variable(quantity, entry.dims, (grid.n,) * len(entry.dims), dtype, fill, attrs)


def _flags(enumeration: str) -> tuple[list[int], list[str]]:
    """Numbers of an enumeration and their names, one word each."""
    from fastcurv import _curvature

    if not enumeration:
        return [], []
    if enumeration == "STATUS":
        codes = [int(code) for code in _curvature.STATUS]
        return codes, [_STATUS_WORDS.get(code, f"code_{-code}") for code in codes]
    members = list(getattr(_curvature, enumeration))
    return [int(member) for member in members], [member.name for member in members]

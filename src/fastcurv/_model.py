"""The second-order Taylor model of a function around points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._inputs import apply, dot, vectors


@dataclass(frozen=True, repr=False)
class QuadraticModel:
    """m(y) = f + g'(y - x) + (y - x)' H (y - x) / 2 around each point x.

    Attributes
    ----------
    point : ndarray, shape B + (n,)
    value : ndarray, shape B
    gradient : ndarray, shape B + (n,)
    hessian : ndarray, shape B + (n, n)
    hessian_error : ndarray, shape B
        A bound on the error of the Hessian in the Frobenius norm, from its error estimate.
    """

    point: np.ndarray
    value: Any
    gradient: np.ndarray
    hessian: np.ndarray
    hessian_error: np.ndarray

    def __repr__(self) -> str:
        batch, n = self._shape
        return f"QuadraticModel of {n} coordinates" + (f" around points of shape {batch}" if batch else "")

    @property
    def _shape(self) -> tuple[tuple[int, ...], int]:
        return self.point.shape[:-1], self.point.shape[-1]

    def __call__(self, y: Any) -> Any:
        """The model at points y, shape B + (n,) (leading axes broadcast)."""
        return self.value + self.decrease(-(self.point - vectors(y, "y", *self._shape)), sign=1.0)

    def decrease(self, step: Any, *, sign: float = -1.0) -> Any:
        """m(x) - m(x + step): by how much a step lowers the model; `step` of shape B + (n,), not a step length."""
        s = vectors(step, "step", *self._shape)
        return sign * (dot(self.gradient, s) + 0.5 * dot(s, apply(self.hessian, s)))

    def minimizer(self) -> np.ndarray:
        """The point that minimises the model, x - H^-1 g; NaN unless H is certainly positive definite."""
        from ._eigen import eigh

        n = self.point.shape[-1]
        eigenvalues, V = eigh(self.hessian)
        largest = np.abs(eigenvalues).max(axis=-1, initial=0.0)
        error = self.hessian_error + n * np.finfo(self.hessian.dtype).eps * largest
        certain = eigenvalues[..., 0] > error
        with np.errstate(divide="ignore", invalid="ignore"):
            along = apply(np.ascontiguousarray(np.swapaxes(V, -1, -2)), self.gradient) / eigenvalues
            step = apply(V, along)
        return np.where(certain[..., None], self.point - step, np.nan)

"""JAX: jit(vmap(hessian)), float64; spectra of Hessians in the type of the points."""

from functools import partial

import jax  # pyright: ignore[reportMissingImports]
import jax.numpy as jnp  # pyright: ignore[reportMissingImports]
import numpy as np

from ..cases import Case
from .array_forms import FORMS, family
from .peer import Run

NAME = "JAX"
MOST_POINTS = None


def prepare(case: Case, points: np.ndarray) -> Run:
    args = [jnp.asarray(a) for a in case.args]
    hessian = jax.hessian(partial(FORMS[family(case.name)], jnp))
    hessians = jax.jit(jax.vmap(lambda x: hessian(x, *args)))
    x = jnp.asarray(points)
    return lambda: hessians(x).block_until_ready()


def prepare_curvature(case: Case, points: np.ndarray) -> Run:
    """Value, gradient and eigenvalues in one compiled call."""
    args = [jnp.asarray(a) for a in case.args]
    f = partial(FORMS[family(case.name)], jnp)

    def at_a_point(x):
        value, gradient = jax.value_and_grad(f)(x, *args)
        return value, gradient, jnp.linalg.eigvalsh(jax.hessian(f)(x, *args))

    curvatures = jax.jit(jax.vmap(at_a_point))
    x = jnp.asarray(points)
    return lambda: jax.block_until_ready(curvatures(x))


def prepare_spectra(case: Case, points: np.ndarray) -> Run:
    """Eigenvalues of Hessians in one compiled call, on JAX's default device."""
    args = [jnp.asarray(a, points.dtype if a.dtype.kind == "f" else None) for a in case.args]
    hessian = jax.hessian(partial(FORMS[family(case.name)], jnp))
    spectra = jax.jit(jax.vmap(lambda x: jnp.linalg.eigvalsh(hessian(x, *args))))
    x = jnp.asarray(points)
    return lambda: spectra(x).block_until_ready()


def prepare_eigh(a: np.ndarray) -> tuple[Run, Run]:
    """Eigenvalues with and without vectors."""
    eigh, eigvalsh = jax.jit(jnp.linalg.eigh), jax.jit(jnp.linalg.eigvalsh)
    matrices = jnp.asarray(a)
    return lambda: jax.block_until_ready(eigh(matrices)), lambda: eigvalsh(matrices).block_until_ready()

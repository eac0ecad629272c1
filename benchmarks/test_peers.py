"""What the peers compute on MORE_CASES is what fastcurv computes: their times are of the same Hessians."""

import numpy as np
import pytest

import fastcurv as fc

from .cases import CASES, DEVICE_CASES, MORE_CASES
from .peers import analytic
from .peers.array_forms import FORMS, family
from .peers.measure import relative_error
from .test_benchmarks import over


def check(peer, case):
    x = case.points()[: 2 if case.n > 100 else 8].copy()
    expected = fc.hessian(case.fun, x, case.args, method="hyperdual")
    assert relative_error(peer.prepare(case, x)(), expected) < 1e-10


@over(CASES + MORE_CASES + DEVICE_CASES)
def test_array_form(case):
    x = case.points(1)[0]
    assert FORMS[family(case.name)](np, x, *case.args) == pytest.approx(case.fun(x, *case.args), rel=1e-13)


@over(MORE_CASES)
def test_analytic(case):
    check(analytic, case)


@over(MORE_CASES)
def test_jax(case):
    jax = pytest.importorskip("jax")
    from .peers import with_jax

    with jax.enable_x64(True):
        check(with_jax, case)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ["JAX", "torch"])
@over(DEVICE_CASES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own
def test_spectra(case, name, dtype):
    """What is timed on a device, on the CPU: in the type of the points, and ours to its rounding."""
    x = case.points(8).astype(dtype)
    if name == "JAX":
        jax = pytest.importorskip("jax")
        from .peers import with_jax

        with jax.enable_x64(True):
            found = np.asarray(with_jax.prepare_spectra(case, x)())
    else:
        pytest.importorskip("torch")
        from .peers import with_torch

        found = with_torch.prepare_spectra(case, x, "cpu")().numpy()
    expected = fc.curvature(case.fun, x.astype(np.float64), case.args).eigenvalues
    assert found.dtype == dtype
    assert relative_error(found, expected) < (1e-11 if dtype == np.float64 else 1e-3)


@pytest.mark.stress
@pytest.mark.filterwarnings("ignore:builtin type:DeprecationWarning")
@over(MORE_CASES)
def test_casadi(case):
    """A minute of gcc."""
    pytest.importorskip("casadi")
    from .peers import with_casadi

    check(with_casadi, case)

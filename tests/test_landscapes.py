"""The landscapes against published values, and their critical points against exact derivatives."""

import inspect
import math

import mpmath as mp
import numba
import numpy as np
import pytest
from references.taylor import derivatives

from fastcurv import landscapes

FUNCTIONS = [
    fun
    for name, fun in inspect.getmembers(landscapes, inspect.isfunction)
    if name in landscapes.__all__ and next(iter(inspect.signature(fun).parameters)) == "x"
]
PLANE = ["beale", "booth", "goldstein_price", "himmelblau", "muller_brown", "six_hump_camel"]
WITH_POINTS = [
    *((name, 2) for name in PLANE),
    *(("rosenbrock", n) for n in (2, 3, 4, 5, 6, 7, 8)),
    *((name, n) for name in ("rastrigin", "styblinski_tang") for n in (1, 2, 6)),
    *((name, n) for name in ("griewank", "levy") for n in (1, 3)),
    *(("michalewicz", n) for n in (2, 10)),
]


def kind_of(eigenvalues):
    if np.all(eigenvalues > 0):
        return "minimum"
    return "maximum" if np.all(eigenvalues < 0) else "saddle"


@pytest.mark.parametrize(("name", "n"), WITH_POINTS)
def test_critical_points_are_exact_to_the_last_bit(name, n):
    fun = getattr(landscapes, name)
    for point in landscapes.critical_points(fun, n):
        assert len(point.x) == n
        value, g, H = derivatives(fun, point.x)
        step = mp.lu_solve(mp.matrix(H.tolist()), mp.matrix(g.tolist()))
        for x, dx in zip(point.x, step, strict=True):
            assert abs(dx) <= np.spacing(abs(x))
        assert abs(value - point.value) <= 4e-16 * max(1.0, abs(point.value))
        assert kind_of(np.linalg.eigvalsh(H.astype(float))) == point.kind


@pytest.mark.parametrize(
    ("name", "minima", "maxima", "saddles"),
    [
        ("muller_brown", 3, 0, 2),
        ("himmelblau", 4, 1, 4),
        ("six_hump_camel", 6, 2, 7),
        ("styblinski_tang", 4, 1, 4),
    ],
)
def test_the_published_number_of_critical_points(name, minima, maxima, saddles):
    points = landscapes.critical_points(getattr(landscapes, name))
    kinds = [p.kind for p in points]
    assert [kinds.count(k) for k in ("minimum", "maximum", "saddle")] == [minima, maxima, saddles]
    assert len({p.x for p in points}) == len(points)


def test_six_hump_camel_has_no_other_critical_point():
    """f_x = 0 gives y(x); f_y = 0 is then of degree 15 in x: its roots are the 15 known points."""
    y = np.polynomial.Polynomial([0, -8, 0, 8.4, 0, -2])
    slope = np.polynomial.Polynomial([0, 1]) - 8 * y + 16 * y**3
    assert slope.degree() == 15
    roots = sorted(p.x[0] for p in landscapes.critical_points(landscapes.six_hump_camel))
    np.testing.assert_allclose(sorted(slope.roots().real), roots, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "n", "kind", "published"),
    [
        ("muller_brown", 2, "minimum", [-146.6995, -108.1667, -80.7678]),
        ("muller_brown", 2, "saddle", [-72.2489, -40.6648]),
        ("himmelblau", 2, "maximum", [181.6165]),
        ("himmelblau", 2, "minimum", [0.0, 0.0, 0.0, 0.0]),
        ("six_hump_camel", 2, "minimum", [-1.0316, -1.0316, -0.2155, -0.2155, 2.1043, 2.1043]),
        ("goldstein_price", 2, "minimum", [3, 30, 84, 840]),
        ("styblinski_tang", 1, "minimum", [-39.16617, -25.02945]),
        ("michalewicz", 2, "minimum", [-1.8013]),
        ("michalewicz", 5, "minimum", [-4.687658]),
        ("michalewicz", 10, "minimum", [-9.66015]),
        ("rosenbrock", 4, "minimum", [0.0, 3.70143]),
        ("lennard_jones", 21, "minimum", [-16.505384]),
        ("lennard_jones", 39, "minimum", [-44.326801]),
        ("lennard_jones", 114, "minimum", [-173.928427]),
    ],
)
def test_published_values_to_published_digits(name, n, kind, published):
    fun = getattr(landscapes, name)
    points = [p for p in landscapes.critical_points(fun, n) if p.kind == kind]
    assert len(points) == len(published)
    for point, value in zip(points, published, strict=True):
        digits = len(str(value).partition(".")[2])
        assert point.value == pytest.approx(value, abs=0.51 * 10.0**-digits)
        assert fun(np.array(point.x)) == pytest.approx(point.value, rel=1e-13, abs=1e-13)


def lennard_jones_gradient(x):
    """sum_j 24 (r^-8 - 2 r^-14) (x_i - x_j)."""
    atoms = x.reshape(-1, 3)
    apart = atoms[:, None, :] - atoms
    r2 = np.sum(apart**2, axis=-1) + np.diag(np.full(len(atoms), np.inf))
    return np.sum((24.0 * r2**-4 - 48.0 * r2**-7)[:, :, None] * apart, axis=1).ravel()


@pytest.mark.parametrize("n_atoms", [2, 3, 4, 7, 13, 38])
def test_lennard_jones_minima_are_polished(n_atoms):
    x = landscapes.lennard_jones_minimum(n_atoms)
    assert x.shape == (3 * n_atoms,)
    assert np.max(np.abs(lennard_jones_gradient(x))) <= 1e-11
    assert np.max(np.abs(x.reshape(-1, 3).sum(axis=0))) <= 1e-14
    if n_atoms <= 4:  # every pair at its own minimum
        assert landscapes.lennard_jones(x) == pytest.approx(-n_atoms * (n_atoms - 1) / 2, rel=1e-15)


@pytest.mark.parametrize(("n_atoms", "zero_modes"), [(2, 5), (3, 6), (4, 6)])
def test_small_clusters_are_minima_with_rigid_motions(n_atoms, zero_modes):
    _, g, H = derivatives(landscapes.lennard_jones, landscapes.lennard_jones_minimum(n_atoms))
    eigenvalues = np.linalg.eigvalsh(H.astype(float))
    assert np.max(np.abs(g.astype(float))) <= 1e-13
    assert np.max(np.abs(eigenvalues[:zero_modes])) <= 1e-12
    assert eigenvalues[zero_modes] > 1.0


def test_quadratic_form_has_the_stated_derivatives():
    rng = np.random.default_rng(1)
    A, b, x = rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal(size=3)
    value, g, H = derivatives(landscapes.quadratic_form, x, (A, b))
    assert float(value) == pytest.approx(0.5 * x @ A @ x + b @ x, rel=1e-14)
    np.testing.assert_allclose(g.astype(float), 0.5 * (A + A.T) @ x + b, rtol=1e-14)
    np.testing.assert_allclose(H.astype(float), 0.5 * (A + A.T), rtol=1e-15)


@pytest.mark.parametrize("fun", FUNCTIONS, ids=lambda fun: fun.__name__)
def test_compiled_and_plain_agree(fun):
    n = 2 if fun.__name__ in PLANE else 6
    x = np.array([0.3, -0.7, 0.2, 0.4, 0.1, 0.9])[:n]
    args = (np.eye(n) + 0.1, np.ones(n)) if fun.__name__ == "quadratic_form" else ()
    plain = fun(x.tolist(), *args)
    assert math.isfinite(plain)
    assert numba.njit(fun)(x, *args) == pytest.approx(plain, rel=1e-14)


@pytest.mark.parametrize("fun", FUNCTIONS, ids=lambda fun: fun.__name__)
def test_docstrings_name_a_source(fun):
    assert "Examples" in fun.__doc__
    assert "References" in fun.__doc__ or fun.__name__ == "quadratic_form"


def test_domain_has_a_bound_for_each_coordinate():
    for fun in FUNCTIONS:
        if fun.__name__ in ("lennard_jones", "quadratic_form"):
            continue
        lower, upper = landscapes.domain(fun)
        assert lower.shape == upper.shape == (2,)
        assert np.all(lower < upper)
    assert landscapes.domain(landscapes.rastrigin, 5)[0].shape == (5,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: landscapes.critical_points(landscapes.ackley), "critical points are known for beale, booth"),
        (lambda: landscapes.critical_points(math.hypot), "fun = hypot"),
        (lambda: landscapes.critical_points(landscapes.booth, 3), "booth has 2 coordinates"),
        (lambda: landscapes.critical_points(landscapes.rosenbrock, 1), "at least 2"),
        (lambda: landscapes.critical_points(landscapes.michalewicz, 11), "up to 10"),
        (lambda: landscapes.critical_points(landscapes.lennard_jones), "6, 9, 12, 21, 39, 114"),
        (lambda: landscapes.lennard_jones_minimum(5), "2, 3, 4, 7, 13, 38"),
        (lambda: landscapes.domain(landscapes.lennard_jones), "usual bounds for ackley"),
        (lambda: landscapes.domain(landscapes.booth, 3), "booth has 2 coordinates"),
    ],
)
def test_what_is_not_known_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_compiled_landscape_is_recognised():
    compiled = numba.njit(landscapes.booth)
    assert landscapes.critical_points(compiled) == landscapes.critical_points(landscapes.booth)

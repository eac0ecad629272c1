"""Published functions are what was published: their minima, and the references where compiled code can be asked."""

import math

import mpmath as mp
import numpy as np
import published
import pytest
from problems import PROBLEMS
from published import PUBLISHED
from references import load
from references.make_references import reference
from references.taylor import MATH, derivatives

import fastcurv as fc

PI = math.pi
NAMED = {p.fun.__name__: p for p in PUBLISHED}
BRANIN = (5.1 / (4 * PI**2), 5 / PI)
ONES = {n: (1.0,) * n for n in range(2, 11)}
ZEROS = {n: (0.0,) * n for n in range(2, 11)}

# name: the published minimiser (maximiser, saddle), the value there, and what its digits leave open
MINIMA = {
    "rosenbrock": (ONES[2], 0.0, 1e-15),
    "freudenstein_roth": ((5.0, 4.0), 0.0, 1e-15),
    "powell_badly_scaled": ((1.098159327e-5, 9.106146738), 0.0, 1e-15),
    "brown_badly_scaled": ((1e6, 2e-6), 0.0, 1e-15),
    "beale": ((3.0, 0.5), 0.0, 1e-15),
    "jennrich_sampson": ((0.257825, 0.257825), 124.362, 1e-3),
    "helical_valley": ((1.0, 0.0, 0.0), 0.0, 1e-15),
    "bard": ((0.082411, 1.133036, 2.343695), 8.21487e-3, 1e-8),
    "gaussian": ((0.398956, 1.000019, 0.0), 1.12793e-8, 1e-13),
    "meyer": ((5.6096364710e-3, 6.1813463463e3, 3.4522363462e2), 87.945855171, 1e-6),
    "gulf": ((50.0, 25.0, 1.5), 0.0, 1e-20),
    "box_3d": ((1.0, 10.0, 1.0), 0.0, 1e-15),
    "powell_singular": (ZEROS[4], 0.0, 1e-15),
    "wood": (ONES[4], 0.0, 1e-15),
    "kowalik_osborne": ((0.19280693458, 0.19128232873, 0.12305650693, 0.13606233068), 3.0750560385e-4, 1e-12),
    "brown_dennis": ((-11.5944399, 13.2036300, -0.4034394, 0.2367787), 85822.2, 0.1),
    "osborne_1": ((0.37541005211, 1.9358469127, -1.4646871366, 0.012867534640, 0.022122699662), 5.4648946975e-5, 1e-13),
    "biggs_exp6": ((1.0, 10.0, 1.0, 5.0, 4.0, 3.0), 0.0, 1e-15),
    "osborne_2": (published.OSBORNE_2_MINIMUM, 4.01377e-2, 1e-5),
    "watson": ((-0.015725, 1.012435, -0.232992, 1.260430, -1.513729, 0.992996), 2.28767e-3, 1e-8),
    "extended_rosenbrock": (ONES[8], 0.0, 1e-15),
    "extended_powell_singular": (ZEROS[8], 0.0, 1e-15),
    "penalty_1": ((0.2500075,) * 4, 2.24997e-5, 1e-9),
    "variably_dimensioned": (ONES[6], 0.0, 1e-15),
    "trigonometric": (ZEROS[8], 0.0, 1e-15),
    "brown_almost_linear": (ONES[7], 0.0, 1e-15),
    "linear_full_rank": ((-1.0,) * 5, 5.0, 1e-12),
    "linear_rank_1": ((3 / 11, 0.0, 0.0, 0.0, 0.0), 20 / 22, 1e-12),
    "linear_rank_1_zeros": ((0.0, 3 / (2 * 9), 0.0, 0.0, 0.0, 0.0), 48 / 18, 1e-12),
    "chebyquad": (
        (0.04315276, 0.19309084, 0.26632871, 0.5, 0.5, 0.73367129, 0.80690916, 0.95684724),
        3.51687e-3,
        1e-8,
    ),
    "levy": (ONES[6], 0.0, 1e-15),
    "griewank": (ZEROS[6], 0.0, 1e-15),
    "michalewicz": ((2.202906, 1.570796, 1.284992, 1.923058, 1.720470), -4.687658, 1e-6),
    "hartmann_3": ((0.114614, 0.555649, 0.852547), -3.86278, 1e-5),
    "hartmann_6": ((0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573), -3.32237, 1e-5),
    "shekel": ((4.00075, 4.00059, 3.99966, 3.99951), -10.5364, 1e-4),
    "branin": ((PI, 2.275), 0.397887, 1e-6),
    "goldstein_price": ((0.0, -1.0), 3.0, 1e-12),
    "zakharov": (ZEROS[6], 0.0, 1e-15),
    "dixon_price": (tuple(2.0 ** (2.0**-i - 1.0) for i in range(6)), 0.0, 1e-15),
    "trid": (tuple((i + 1.0) * (8 - i) for i in range(8)), -8 * 12 * 7 / 6, 1e-12),
    "colville": (ONES[4], 0.0, 1e-15),
    "easom": ((PI, PI), -1.0, 1e-15),
    "bohachevsky": (ZEROS[2], 0.0, 1e-15),
    "mccormick": ((-0.54719755, -1.54719755), -1.9132229549810367, 1e-12),
    "schwefel_1_2": (ZEROS[10], 0.0, 1e-15),
    "salomon": (ZEROS[5], 0.0, 1e-15),
    "alpine_2": ((7.917052698,) * 4, 2.808131180**4, 1e-6),
    "egg_crate": (ZEROS[2], 0.0, 1e-15),
    "schaffer_2": (ZEROS[2], 0.0, 1e-15),
    "qing": (tuple(math.sqrt(i + 1.0) for i in range(5)), 0.0, 1e-14),
    "whitley": (ONES[4], 0.0, 1e-15),
    "perm_0": ((1.0, 1 / 2, 1 / 3, 1 / 4), 0.0, 1e-15),
    "perm": ((1.0, 2.0, 3.0, 4.0), 0.0, 1e-15),
    "brent": ((-10.0, -10.0), math.exp(-200.0), 1e-15),
    "deckkers_aarts": ((0.0, 14.945112), -24776.518342, 1e-5),
    "exponential": (ZEROS[10], -1.0, 1e-15),
    "adjiman": ((2.0, 0.10578), -2.02181, 1e-5),
    "price_4": ((2.0, 4.0), 0.0, 1e-15),
    "parsopoulos": ((PI / 2, PI), 0.0, 1e-15),
    "giunta": ((0.46732003, 0.46732003), 0.06447042, 1e-8),
    "langermann": ((2.00299219, 1.006096), -5.1621259, 1e-6),
    "paviani": ((9.350266,) * 10, -45.77848, 1e-4),
    "miele_cantrell": ((0.0, 1.0, 1.0, 1.0), 0.0, 1e-15),
    "cosine_mixture": (ZEROS[4], -0.4, 1e-15),
    "hosaki": ((4.0, 2.0), -2.3458, 1e-4),
    "keane": ((1.393249070031784, 0.0), 0.673667521146855, 1e-12),
    "wayburn_seader_1": ((1.0, 2.0), 0.0, 1e-15),
    "cube": (ONES[2], 0.0, 1e-15),
    "zettl": ((-0.02989597760285287, 0.0), -0.003791237220468656, 1e-15),
    "three_hump_camel": (ZEROS[2], 0.0, 1e-15),
    "trefethen": ((-0.02440307923, 0.2106124261), -3.3068686474752, 1e-10),
    "bird": ((4.701055751981055, 3.152946019601391), -106.764537, 1e-6),
    "wavy": (ZEROS[5], 0.0, 1e-15),
    "drop_wave": (ZEROS[2], -1.0, 1e-15),
    "el_attar": ((3.40918683, -2.17143304), 1.712780354, 1e-8),
    "devilliers_glasser_1": ((60.137, 1.371, 3.112, 1.761), 0.0, 1e-20),
    "devilliers_glasser_2": ((53.81, 1.27, 3.012, 2.13, 0.507), 0.0, 1e-20),
    "cola": (published.COLA_MINIMUM, 11.7464, 1e-4),
    "thomson": ((0.0, *(math.acos(-1 / 3),) * 3, 0.0, 0.0, 2 * PI / 3, 4 * PI / 3), 3.674234614, 1e-9),
    "lennard_jones": (published.TRIANGLE, -3.0, 1e-13),
    "morse": (published.TETRAHEDRON, -6.0, 1e-13),
    "stillinger_weber": (published.BONDED, -4.0, 1e-7),
    "henon_heiles": ((0.0, 1.0), 1 / 6, 1e-15),
    "lanczos": (ONES[6], 0.0, 1e-24),
    "misra_1a": (ONES[2], 1.2455138894e-01, 1e-10),
    "box_bod": (ONES[2], 1.1680088766e03, 1e-6),
    "dan_wood": (ONES[2], 4.3173084083e-03, 1e-12),
    "rat_42": (ONES[3], 8.0565229338e00, 1e-9),
    "rat_43": (ONES[4], 8.7864049080e03, 1e-6),
    "thurber": (ONES[7], 5.6427082397e03, 1e-6),
    "o_ring_logit": ((15.0429, -2.32163), 20.3152 / 2, 1e-4),
    "weibull": ((2.1021, 81.8783), 113.691, 1e-3),
}


@pytest.mark.parametrize("name", MINIMA)
def test_published_minima(name):
    x, value, tolerance = MINIMA[name]
    assert NAMED[name].fun(np.array(x), *NAMED[name].args) == pytest.approx(value, rel=0, abs=tolerance)


def test_the_library_is_complete():
    assert [p.name[:5] for p in PUBLISHED if "mgh" in p.tags] == [f"mgh{k:02d}" for k in range(1, 36)]
    assert len({p.name for p in [*PROBLEMS, *PUBLISHED]}) == len(PROBLEMS) + len(PUBLISHED)
    assert len(NAMED) == len(PUBLISHED)
    assert all(p.fun.__doc__ for p in PUBLISHED)


@pytest.mark.parametrize("p", PUBLISHED, ids=lambda p: p.name)
def test_references_belong_to_the_published(p):
    answers = load(p.name)
    np.testing.assert_array_equal(answers.points, p.points)
    assert answers.hessian.shape == (len(p.points), p.n, p.n)
    for x, value, H in zip(p.points, answers.value, answers.hessian, strict=True):
        assert p.fun(x, *p.args) == pytest.approx(value, rel=1e-11)
        assert np.array_equal(H, np.diag(np.diag(H))) == ("separable" in p.tags)


@pytest.mark.parametrize("name", ["helical_valley", "extended_powell_singular", "thomson", "weber"])
def test_published_references_are_reproducible(name):
    p = NAMED[name]
    for made, stored in zip(reference(p), load(p.name), strict=True):
        np.testing.assert_array_equal(made, stored)


@pytest.mark.parametrize(
    "name",
    ["helical_valley", "osborne_2", "chebyquad", "shekel", "paviani", "stillinger_weber", "thurber", "o_ring_logit"],
)
def test_central_differences_agree_with_the_published(name):
    p = NAMED[name]
    exact = load(p.name).hessian
    found = fc.hessian(p.fun, p.points, p.args, method="central", order=6)
    error = np.abs(found - exact).max(axis=(1, 2)) / np.abs(exact).max(axis=(1, 2))
    assert error.max() <= 1e-6


@pytest.mark.parametrize("name", [name for name, f in vars(MATH).items() if callable(f)])
def test_taylor_functions_against_mpmath(name):
    f = getattr(MATH, name)
    two = name in ("atan2", "hypot", "pow")
    for a, b in ((0.7, 1.3), (0.4, 2.5)):

        def along(x, f=f, b=b):
            return f(x[0], b - 0.5 * x[0]) if two else f(x[0])

        def real_along(t, b=b):
            g = {"lgamma": mp.loggamma, "pow": mp.power}.get(name) or getattr(mp, name)
            return g(t, b - t / 2) if two else g(t)

        value, slope, curvature = (np.ravel(part)[0] for part in derivatives(along, [a]))
        with mp.workdps(30):
            t = mp.mpf(a)
            for k, part in enumerate((value, slope, curvature)):
                assert mp.almosteq(part, mp.diff(real_along, t, k), 1e-12, 1e-12)


def test_taylor_numbers_in_many_styles():
    def styles(x):
        work = np.zeros(len(x), x.dtype)
        for i, v in enumerate(x[::-1]):
            work[i] += 2**v if v >= 1 else abs(v) ** 1.5
        first, second = work[0:1], work[-1]
        return first[0] * second + x[0] ** 1 + x[0] ** 0

    value, g, H = (np.asarray(part, float) for part in derivatives(styles, [-4.0, 1.0]))
    log2 = math.log(2.0)
    assert value == 2.0 * 8.0 - 4.0 + 1.0
    np.testing.assert_allclose(g, [-2.0 * 3.0 + 1.0, 2.0 * log2 * 8.0])
    np.testing.assert_allclose(H, [[2.0 * 0.375, -3.0 * 2.0 * log2], [-3.0 * 2.0 * log2, 16.0 * log2**2]])

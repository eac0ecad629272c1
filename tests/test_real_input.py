"""The package on published data: certified regressions, a classifier, a reaction's landscape, a cluster."""

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize

import fastcurv as fc
from fastcurv import landscapes

DATA = Path(__file__).with_name("data")


# NIST StRD nonlinear regression. Parameters are taken as z = (b - certified b) / certified standard
# deviation: steps are relative to max(1, |z|), and the parameters themselves range from 5.5e-4 to 1.5e3.


NAMES = ["misra1a", "danwood", "eckerle4", "mgh09", "thurber"]


def predicted(model, b, x):
    """The model NAMES[model] at x: one function for all five, so that each kernel is compiled once."""
    if model == 0:
        return b[0] * (1.0 - math.exp(-b[1] * x))
    if model == 1:
        return b[0] * x ** b[1]
    if model == 2:
        z = (x - b[2]) / b[1]
        return b[0] / b[1] * math.exp(-0.5 * z * z)
    if model == 3:
        return b[0] * (x * x + x * b[1]) / (x * x + x * b[2] + b[3])
    above = b[0] + x * (b[1] + x * (b[2] + x * b[3]))
    below = 1.0 + x * (b[4] + x * (b[5] + x * b[6]))
    return above / below


def residual(z, model, certified, sd, x, y):
    b = np.empty(len(z), z.dtype)
    for k in range(len(z)):
        b[k] = certified[k] + sd[k] * z[k]
    return y - predicted(model, b, x)


def residuals(z, model, certified, sd, x, y):
    r = np.empty(len(x), z.dtype)
    for i in range(len(x)):
        r[i] = residual(z, model, certified, sd, x[i], y[i])
    return r


def sum_of_squares(z, model, certified, sd, x, y):
    total = 0.0
    for i in range(len(x)):
        r = residual(z, model, certified, sd, x[i], y[i])
        total += r * r
    return total


class Regression:
    """A data set with its certified answers, and what is derived from its residuals."""

    def __init__(self, model):
        lines = (DATA / f"{NAMES[model]}.csv").read_text().splitlines()
        head = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))
        numbers = {key: np.array(head[key].split(), float) for key in ("parameters", "standard_deviations", "start")}
        self.certified = numbers["parameters"]
        self.certified_sd = numbers["standard_deviations"]
        self.certified_rss = float(head["residual_sum_of_squares"])
        self.start = (numbers["start"] - self.certified) / self.certified_sd
        self.x, self.y = np.loadtxt(lines, delimiter=",", skiprows=len(head) + 1).T.copy()
        self.scale = (model, self.certified, self.certified_sd)
        self.args = (*self.scale, self.x, self.y)
        self.freedom = len(self.y) - len(self.certified)

    def jacobian(self, z, **options):
        return fc.jacobian(residuals, z, self.args, **options)

    def sd_from(self, information, rss):
        """Standard deviations, from the covariance s² information^-1, in units of the certified ones."""
        return np.sqrt(rss / self.freedom * np.diag(np.linalg.inv(information)))


@pytest.fixture(scope="module", params=range(len(NAMES)), ids=NAMES)
def regression(request):
    return Regression(request.param)


def test_regression_refits_to_the_certified_parameters(regression):
    fit = scipy.optimize.least_squares(
        lambda t: residuals(t, *regression.args),
        regression.start,
        jac=lambda t: regression.jacobian(t, order=4),
        method="lm",
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
    )
    np.testing.assert_allclose(fit.x, 0.0, atol=1e-6)
    assert 2.0 * fit.cost == pytest.approx(regression.certified_rss, rel=1e-9)


@pytest.mark.parametrize("order", [2, 4])
def test_standard_deviations_from_the_jacobian(regression, order):
    """s² (J'J)^-1, as certified. J errs by 1e-9 (order 2), which its condition number, 2 to 510, raises."""
    z = np.zeros(len(regression.certified))
    J = regression.jacobian(z, order=order)
    assert J.shape == (len(regression.y), len(z))
    rss = fc.value(sum_of_squares, z, regression.args)
    assert rss == pytest.approx(regression.certified_rss, rel=1e-9)
    np.testing.assert_allclose(regression.sd_from(J.T @ J, rss), 1.0, rtol=1e-6)


def test_standard_deviations_from_the_hessian(regression):
    """H of the sum of squares is 2 (J'J + S), S = sum_i r_i (Hessian of r_i); NIST's figures drop S.

    So 2 s² H^-1 gives the certified ones once S, from each residual's own Hessian, is taken out. Left in, it
    multiplies each variance by a number between 1/(1 + sigma_max) and 1/(1 + sigma_min), where sigma are the
    eigenvalues of S relative to J'J: ratios of Rayleigh quotients of (J'J + S)^-1 and (J'J)^-1.
    """
    z = np.zeros(len(regression.certified))
    m, n = len(regression.y), len(z)
    H = fc.hessian(sum_of_squares, z, regression.args, order=4)
    J = regression.jacobian(z, order=4)
    r = residuals(z, *regression.args)
    each = fc.hessian(
        residual,
        np.zeros((m, n)),
        regression.scale,
        point_args=(regression.x, regression.y),
        order=4,
    )
    S = np.einsum("i,ijk", r, each)
    np.testing.assert_allclose(H, 2.0 * (J.T @ J + S), atol=1e-7 * np.max(np.abs(H)))
    np.testing.assert_allclose(regression.sd_from(0.5 * H - S, r @ r), 1.0, rtol=2e-6)

    sigma = scipy.linalg.eigvalsh(S, J.T @ J)
    ratio = regression.sd_from(0.5 * H, r @ r) ** 2
    assert np.all(ratio >= (1.0 - 1e-5) / (1.0 + sigma[-1]))
    assert np.all(ratio <= (1.0 + 1e-5) / (1.0 + sigma[0]))
    assert np.max(np.abs(ratio - 1.0)) > 1e-3


# Iris: a softmax classifier with a small quadratic penalty, whose Hessian is positive definite.

PENALTY = 0.01
CLASSES = 3
EXTRA = ("eigenvectors", "newton_step")  # everywhere: one kernel


def softmax_loss(w, X, species, penalty):
    """Mean of log(sum_c exp(score_c)) - score of the true class, + penalty w'w/2.

    w holds, class by class, a weight for each input and then a bias.
    """
    inputs = X.shape[1]
    loss = 0.0
    for r in range(len(species)):
        total = 0.0
        own = 0.0
        for c in range(3):
            first = c * (inputs + 1)
            score = w[first + inputs]
            for j in range(inputs):
                score += w[first + j] * X[r, j]
            if c == species[r]:
                own = score
            total += math.exp(score)
        loss += math.log(total) - own
    squares = 0.0
    for j in range(len(w)):
        squares += w[j] * w[j]
    return loss / len(species) + 0.5 * penalty * squares


class Classifier:
    """The loss on given inputs, its minimiser by Newton's method, and the curvature there."""

    def __init__(self, X, species):
        self.args = (X, species, PENALTY)
        self.n = CLASSES * (X.shape[1] + 1)
        w = np.zeros(self.n)
        for _ in range(10):
            w = w + fc.curvature(softmax_loss, w, self.args, extra=EXTRA, order=4).newton_step
        self.minimiser = w
        self.curvature = fc.curvature(softmax_loss, w, self.args, extra=EXTRA, order=4)

    def loss(self, w):
        return float(fc.value(softmax_loss, w, self.args))

    def gradient(self, w):
        return fc.gradient(softmax_loss, w, self.args)

    def descend(self, start, step, iterations, momentum=0.0):
        """Distances to the minimiser along gradient descent, with momentum (Polyak's heavy ball)."""
        before = w = start
        distances = [np.linalg.norm(w - self.minimiser)]
        with fc.threads(1):  # thousands of short calls: on a busy machine each wait for a second thread shows
            for _ in range(iterations):
                before, w = w, w - step * self.gradient(w) + momentum * (w - before)
                distances.append(np.linalg.norm(w - self.minimiser))
        return np.array(distances)

    def displaced(self, by=1e-3):
        """A point away from the minimiser along the flattest and the steepest direction, equally."""
        vectors = self.curvature.eigenvectors
        return self.minimiser + by * (vectors[:, 0] + vectors[:, -1])


def observed_rate(distances):
    """Mean factor of an iteration over the last half."""
    half = len(distances) // 2
    return (distances[-1] / distances[-1 - half]) ** (1.0 / half)


def iris():
    table = np.loadtxt(DATA / "iris.csv", delimiter=",", skiprows=1, dtype=str)
    X = table[:, :4].astype(float)
    return X, np.unique(table[:, 4], return_inverse=True)[1]


@pytest.fixture(scope="module")
def raw():
    return Classifier(*iris())


@pytest.fixture(scope="module")
def normalised():
    X, species = iris()
    return Classifier((X - X.mean(axis=0)) / X.std(axis=0), species)


@pytest.fixture(params=["raw", "normalised"])
def classifier(request):
    return request.getfixturevalue(request.param)


def test_normalising_the_inputs_lowers_the_condition_number(raw, normalised):
    """From 1439 to 39.7: the flattest directions are the penalty's own, so only the steepest changes."""
    for classifier in (raw, normalised):
        c = classifier.curvature
        assert c.kind == fc.Kind.MINIMUM
        # The same vector added to the weights of every class changes no probability: n/3 directions.
        shifts = classifier.n // CLASSES
        np.testing.assert_allclose(c.eigenvalues[:shifts], PENALTY, atol=c.eigenvalue_error)
        assert c.eigenvalues[shifts] > PENALTY + c.eigenvalue_error
    assert raw.curvature.condition_number == pytest.approx(1439, abs=1)
    assert normalised.curvature.condition_number == pytest.approx(39.7, abs=0.1)


def test_without_the_penalty_the_shifts_are_zero_modes(classifier):
    X, species, _ = classifier.args
    c = fc.curvature(softmax_loss, classifier.minimiser, (X, species, 0.0), extra=EXTRA, order=4)
    assert (c.index, c.nullity) == (0, classifier.n // CLASSES)
    assert c.definiteness == fc.Definiteness.SEMIDEFINITE
    assert np.isinf(c.condition_number)


def test_gradient_descent_converges_at_the_predicted_rate(classifier):
    c = classifier.curvature
    iterations = int(2 * c.condition_number)
    rate = observed_rate(classifier.descend(classifier.displaced(), c.best_step, iterations))
    assert 1.0 - rate == pytest.approx(1.0 - c.convergence_rate, rel=0.01)
    assert np.max(np.abs(c.direction_rates(c.best_step))) == pytest.approx(c.convergence_rate)


def test_the_stable_step_separates_convergence_from_divergence(classifier):
    c = classifier.curvature
    start = classifier.displaced(1e-5)
    below = classifier.descend(start, 0.98 * c.max_stable_step, 150)
    assert np.all(np.diff(below) < 0.0)
    above = classifier.descend(start, 1.02 * c.max_stable_step, 150)
    assert above[-1] > 100.0 * above[0]
    assert observed_rate(above) == pytest.approx(np.max(np.abs(c.direction_rates(1.02 * c.max_stable_step))), rel=1e-3)


def test_heavy_ball_moves_as_predicted(classifier):
    """Along the extreme directions it has a double root r = ±rate, so e_k = (1 + (1 - r) k) r^k e_0."""
    step, momentum, rate = classifier.curvature.heavy_ball
    k = np.arange(int(-5.0 / math.log(rate)))
    distances = classifier.descend(classifier.displaced(1e-5), step, len(k) - 1, momentum)
    predicted = np.hypot(1.0 + (1.0 - rate) * k, 1.0 + (1.0 + rate) * k) * rate**k
    np.testing.assert_allclose(distances / distances[0], predicted / predicted[0], rtol=0.01)


def test_steps_along_the_gradient(classifier):
    w = classifier.displaced()
    c = fc.curvature(softmax_loss, w, classifier.args, extra=EXTRA, order=4)
    g, here = classifier.gradient(w), classifier.loss(w)
    change = [classifier.loss(w - t * c.optimal_step * g) - here for t in (0.9, 1.0, 1.1, 1.9, 2.1)]
    assert min(change) == change[1]
    assert change[1] == pytest.approx(c.predicted_change(c.optimal_step), rel=0.01)
    assert c.uphill_step == pytest.approx(2.0 * c.optimal_step)
    assert change[3] < 0.0 < change[4]
    assert c.along(g) == pytest.approx(c.gradient_curvature) == pytest.approx(1.0 / c.optimal_step)


# Müller-Brown: a million points.


@pytest.fixture(scope="module")
def reaction():
    grid = fc.Grid(x=(-1.5, 1.2, 1000), y=(-0.2, 2.0, 1000))
    return fc.scan(landscapes.muller_brown, grid, progress=False)


def test_scan_puts_the_critical_points_in_the_right_regions(reaction):
    sign = {"minimum": fc.Definiteness.POSITIVE, "saddle": fc.Definiteness.INDEFINITE}
    for point in landscapes.critical_points(landscapes.muller_brown):
        here = reaction.sel(x=point.x[0], y=point.x[1], method="nearest")
        assert here.definiteness == sign[point.kind]
        assert here["index"] == (point.kind == "saddle")
        assert here.value == pytest.approx(point.value, abs=0.01)
        assert here.nullity == 0


def test_scan_finds_the_minima_and_saddles_by_itself(reaction):
    """Grid points lowest among their neighbours in value are the minima; in |g|, all critical points."""
    points = landscapes.critical_points(landscapes.muller_brown)
    minima = [p.x for p in points if p.kind == "minimum"]
    assert_near(lowest(reaction, reaction.value), minima)
    flat = lowest(reaction, reaction.gradient_norm.where(reaction.gradient_norm < 3.0, np.inf))
    assert_near(flat, [p.x for p in points])


def lowest(scan, variable):
    """Coordinates of the inner grid points below all their eight neighbours."""
    z = variable.transpose("x", "y").values
    inner = z[1:-1, 1:-1]
    is_lowest = np.isfinite(inner)
    for i in range(3):
        for j in range(3):
            if (i, j) != (1, 1):
                is_lowest &= inner < z[i : i + 998, j : j + 998]
    i, j = np.nonzero(is_lowest)
    return np.stack([scan.x.values[i + 1], scan.y.values[j + 1]], axis=-1)


def assert_near(found, expected):
    assert len(found) == len(expected)
    for x in expected:
        assert np.min(np.max(np.abs(found - np.array(x)), axis=1)) <= 0.003


# Lennard-Jones 13: six rigid motions cost nothing, and nothing else does.


@pytest.mark.parametrize("how", [{"method": "exact"}, *({"method": "central", "order": p} for p in (2, 4, 6, 8))])
def test_lennard_jones_13_has_six_zero_modes(how):
    x = landscapes.lennard_jones_minimum(13)
    c = fc.curvature(landscapes.lennard_jones, x, **how)
    assert c.value == pytest.approx(-44.326801, abs=5e-7)
    assert (c.index, c.nullity) == (0, 6)
    assert np.sum(c.eigenvalues > c.eigenvalue_error) == 33
    assert c.eigenvalues[6] == pytest.approx(42.65, abs=0.01)
    assert c.definiteness == fc.Definiteness.SEMIDEFINITE
    assert c.kind == fc.Kind.INCONCLUSIVE

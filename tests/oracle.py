"""The slow and obvious oracle: finite differences and read-outs, straight from the formulas.

One statement a formula, plain loops, no sharing of evaluations. The compiled kernels are tested against it.
s_i = max(1, |x_i|); p is the order of accuracy, d the derivative, m = p/2 the number of scales.
"""

import math
from fractions import Fraction

import numpy as np

# c of the step h_i = c eps^(1/(p+d)) s_i, by order p; p = 1 is the forward difference.
STEP_FIRST = {1: 1.0, 2: 0.5, 4: 0.25, 6: 0.2, 8: 0.15}
STEP_SECOND = {1: 1.0, 2: 1.0, 4: 0.5, 6: 0.3, 8: 0.2}


def scale_weights(order):
    """c_k, k = 1..m, that combine differences over k h to order 2m: prod_{j != k} j²/(j² - k²)."""
    m = order // 2
    return [math.prod(Fraction(j * j, j * j - k * k) for j in range(1, m + 1) if j != k) for k in range(1, m + 1)]


def exact_weights(nodes, derivative):
    """w with sum_k w_k f(node_k) = f^(derivative)(0) for every polynomial of degree < len(nodes).

    Solves the Vandermonde system sum_k w_k node_k^q = q! [q = derivative] in rational numbers.
    """
    nodes = [Fraction(t) for t in nodes]
    size = len(nodes)
    rows = [[t**q for t in nodes] + [Fraction(math.factorial(q) * (q == derivative))] for q in range(size)]
    for i in range(size):
        pivot = next(r for r in range(i, size) if rows[r][i] != 0)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for r in range(size):
            if r != i:
                rows[r] = [v - rows[r][i] * w for v, w in zip(rows[r], rows[i], strict=True)]
    return [row[-1] for row in rows]


def nodes(order, derivative, side):
    """Stencil nodes in units of h: central (side 0), or p+1, p+2 nodes to one side of x (side ±1)."""
    if side == 0:
        return list(range(-(order // 2), order // 2 + 1))
    return [side * k for k in range(order + derivative)]


def steps(x, order, derivative, rel_step=None, abs_step=None, relative_noise=None, table=None):
    """h_i, exactly as x_i + h_i represents it. `relative_noise` is e_f/F, in place of eps."""
    eps = np.finfo(x.dtype).eps if relative_noise is None else relative_noise
    c = (table or {1: STEP_FIRST, 2: STEP_SECOND}[derivative])[order]
    h = np.empty_like(x)
    for i in range(len(x)):
        s = max(1.0, abs(x[i]))
        if abs_step is not None:
            h[i] = abs_step if np.ndim(abs_step) == 0 else abs_step[i]
        elif rel_step is not None:
            h[i] = s * (rel_step if np.ndim(rel_step) == 0 else rel_step[i])
        else:
            h[i] = c * eps ** (1.0 / (order + derivative)) * s
        h[i] = (x[i] + h[i]) - x[i]
    return h


def moved(x, *moves):
    """x with x_i + t in place of x_i, for each (i, t)."""
    y = np.array(x)
    for i, t in moves:
        y[i] += t
    return y


def gradient(f, x, order=2, h=None):
    """Central differences of even order: sum_k c_k [f(x + k h_i) - f(x - k h_i)] / 2 k h_i.

    f may return a vector: then rows are its components and this is the Jacobian, (m, n).
    """
    h = steps(x, order, 1) if h is None else h
    columns = []
    for i in range(len(x)):
        total = 0.0
        for k, c in enumerate(scale_weights(order), 1):
            forth, back = f(moved(x, (i, k * h[i]))), f(moved(x, (i, -k * h[i])))
            total = total + float(c) * (np.asarray(forth) - np.asarray(back)) / (2 * k * h[i])
        columns.append(total)
    return np.stack(columns, axis=-1)


def forward_gradient(f, x, h=None):
    """[f(x + h_i) - f(x)] / h_i; the Jacobian where f returns a vector."""
    h = steps(x, 1, 1) if h is None else h
    here = np.asarray(f(x))
    return np.stack([(np.asarray(f(moved(x, (i, h[i])))) - here) / h[i] for i in range(len(x))], axis=-1)


def one_sided_gradient(f, x, sides, order=2, h=None):
    """Exact weights on the nodes that `sides` (-1, 0, 1 by coordinate) allow."""
    h = steps(x, order, 1) if h is None else h
    g = np.zeros(len(x))
    for i in range(len(x)):
        t = nodes(order, 1, sides[i])
        for node, w in zip(t, exact_weights(t, 1), strict=True):
            g[i] += float(w) * f(moved(x, (i, node * h[i]))) / h[i]
    return g


def pure(f, x, i, h):
    """[f(+) - 2 f(0) + f(-)] / h²."""
    return (f(moved(x, (i, h))) - 2.0 * f(x) + f(moved(x, (i, -h)))) / (h * h)


def mixed_4_point(f, x, i, j, hi, hj):
    """[f(++) - f(+-) - f(-+) + f(--)] / 4 h_i h_j."""
    same = f(moved(x, (i, hi), (j, hj))) + f(moved(x, (i, -hi), (j, -hj)))
    cross = f(moved(x, (i, hi), (j, -hj))) + f(moved(x, (i, -hi), (j, hj)))
    return (same - cross) / (4.0 * hi * hj)


def mixed_economical(f, x, i, j, hi, hj):
    """[f(++) - f(+0) - f(0+) + 2 f(00) - f(-0) - f(0-) + f(--)] / 2 h_i h_j."""
    corners = f(moved(x, (i, hi), (j, hj))) + f(moved(x, (i, -hi), (j, -hj)))
    axes = f(moved(x, (i, hi))) + f(moved(x, (j, hj))) + f(moved(x, (i, -hi))) + f(moved(x, (j, -hj)))
    return (corners - axes + 2.0 * f(x)) / (2.0 * hi * hj)


def hessian(f, x, order=2, stencil="economical", h=None):
    """Central differences of even order, D_p = sum_k c_k D_2(k h), pure and mixed alike."""
    h = steps(x, order, 2) if h is None else h
    mixed = {"economical": mixed_economical, "4-point": mixed_4_point}[stencil]
    n = len(x)
    H = np.zeros((n, n))
    for k, c in enumerate(scale_weights(order), 1):
        for i in range(n):
            H[i, i] += float(c) * pure(f, x, i, k * h[i])
            for j in range(i):
                H[i, j] += float(c) * mixed(f, x, i, j, k * h[i], k * h[j])
                H[j, i] = H[i, j]
    return H


def forward_hessian(f, x, h=None):
    """[f(x + h_i + h_j) - f(x + h_i) - f(x + h_j) + f(x)] / h_i h_j, pure (i = j) and mixed."""
    h = steps(x, 1, 2) if h is None else h
    n = len(x)
    H = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            both = f(moved(x, (i, h[i]), (j, h[j])))
            H[i, j] = (both - f(moved(x, (i, h[i]))) - f(moved(x, (j, h[j]))) + f(x)) / (h[i] * h[j])
            H[j, i] = H[i, j]
    return H


def one_sided_hessian(f, x, sides, order=2, h=None):
    """Exact weights: pure on the nodes of a second derivative, mixed the tensor product of two first ones."""
    h = steps(x, order, 2) if h is None else h
    n = len(x)
    H = np.zeros((n, n))
    for i in range(n):
        t = nodes(order, 2, sides[i])
        for a, w in zip(t, exact_weights(t, 2), strict=True):
            H[i, i] += float(w) * f(moved(x, (i, a * h[i]))) / (h[i] * h[i])
        for j in range(i):
            ti, tj = nodes(order, 1, sides[i]), nodes(order, 1, sides[j])
            for a, u in zip(ti, exact_weights(ti, 1), strict=True):
                for b, w in zip(tj, exact_weights(tj, 1), strict=True):
                    H[i, j] += float(u * w) * f(moved(x, (i, a * h[i]), (j, b * h[j]))) / (h[i] * h[j])
            H[j, i] = H[i, j]
    return H


def hessian_from_gradient(grad, x, order=2):
    """The Jacobian of the user's gradient (d = 1), made symmetric: (H + H')/2."""
    H = gradient(grad, x, order) if order > 1 else forward_gradient(grad, x)
    return 0.5 * (H + H.T)


def direction_step(x, v, size):
    """t = size / max_i(|v_i| / s_i)."""
    return size / max(abs(v[i]) / max(1.0, abs(x[i])) for i in range(len(x)))


def hvp(f, x, v, order=2):
    """Central difference, along v, of the central gradient: 4n evaluations at order 2, c = 0.5, d = 2."""
    if not np.any(v):
        return np.zeros(len(x))
    table = {**STEP_SECOND, 2: 0.5}
    h = steps(x, order, 2, table=table)
    t = direction_step(x, v, table[order] * np.finfo(x.dtype).eps ** (1.0 / (order + 2)))
    Hv = np.zeros(len(x))
    for i in range(len(x)):
        for k, c in enumerate(scale_weights(order), 1):
            forth, back = x + k * t * v, x - k * t * v
            slope_forth = f(moved(forth, (i, k * h[i]))) - f(moved(forth, (i, -k * h[i])))
            slope_back = f(moved(back, (i, k * h[i]))) - f(moved(back, (i, -k * h[i])))
            Hv[i] += float(c) * (slope_forth - slope_back) / (4.0 * k * k * t * h[i])
    return Hv


def hvp_from_gradient(grad, x, v, order=2):
    """Central difference of the user's gradient along v: 2 evaluations at order 2, d = 1."""
    if not np.any(v):
        return np.zeros(len(x))
    t = direction_step(x, v, STEP_FIRST[order] * np.finfo(x.dtype).eps ** (1.0 / (order + 1)))
    Hv = np.zeros(len(x))
    for k, c in enumerate(scale_weights(order), 1):
        Hv += float(c) * (np.asarray(grad(x + k * t * v)) - np.asarray(grad(x - k * t * v))) / (2 * k * t)
    return Hv


def hessian_error(f, x, order=2, stencil="economical", noise=0.0):
    """e_ij = 2 |H_p - H_{p+2}| + 2 e_f A_ij / h_i h_j; H_{p+2} adds a scale to the same h."""
    largest = 0.0

    def recorded(y):
        nonlocal largest
        value = f(y)
        largest = max(largest, abs(value))
        return value

    h = steps(x, order, 2)
    coarse, fine = hessian(recorded, x, order, stencil, h), hessian(recorded, x, order + 2, stencil, h)
    e_f = max(np.finfo(x.dtype).eps * largest, noise)
    spread = float(sum(abs(c) / (k * k) for k, c in enumerate(scale_weights(order), 1)))
    mixed = {"economical": 4.0, "4-point": 1.0}[stencil]
    A = spread * np.where(np.eye(len(x), dtype=bool), 4.0, mixed)
    return 2.0 * abs(coarse - fine) + 2.0 * e_f * A / np.outer(h, h)


def eigenvalue_error(error, eigenvalues):
    """||E||_F + n eps max|lambda| (Weyl)."""
    n = len(eigenvalues)
    return math.sqrt(float(np.sum(error**2))) + n * np.finfo(eigenvalues.dtype).eps * max(abs(eigenvalues))


def definiteness(eigenvalues, error):
    """Of a Hessian, by signs that are certain: |lambda| > error."""
    negative = sum(1 for t in eigenvalues if t < -error)
    positive = sum(1 for t in eigenvalues if t > error)
    if negative and positive:
        return "INDEFINITE"
    if positive == len(eigenvalues):
        return "POSITIVE"
    if negative == len(eigenvalues):
        return "NEGATIVE"
    return "SEMIDEFINITE"


def is_critical(x, g, H, gradient_error=0.0, tol=None):
    """max_i |g_i| s_i <= tol max_ij |H_ij| s_i s_j + max_i s_i e_g,i, tol = eps^(1/3)."""
    n = len(x)
    tol = float(np.finfo(x.dtype).eps) ** (1.0 / 3.0) if tol is None else tol
    exact = np.vectorize(lambda number: Fraction(float(number)), otypes=[object])  # it cannot overflow
    s = exact(np.maximum(1.0, np.abs(x)))
    g, H, e = exact(g), exact(H), exact(np.broadcast_to(gradient_error, (n,)))
    slope = max(abs(g[i]) * s[i] for i in range(n))
    bend = max(abs(H[i, j]) * s[i] * s[j] for i in range(n) for j in range(n))
    return slope <= Fraction(tol) * bend + max(s[i] * e[i] for i in range(n))


def read_outs(value, g, H, eigenvalue_error, x=None, gradient_error=0.0, critical_tol=None):
    """Every read-out of `Curvature` at one point, by name; those that are functions are functions here.

    x is needed for `kind` alone. Enums are their members' names.
    """
    n = len(g)
    nan, inf = math.nan, math.inf
    if not (math.isfinite(value) and np.all(np.isfinite(g)) and np.all(np.isfinite(H))):
        return _invalid(value, n)
    lambdas, vectors = np.linalg.eigh(H)
    low, high, e = float(lambdas[0]), float(lambdas[-1]), eigenvalue_error
    index = sum(1 for t in lambdas if t < -e)
    nullity = sum(1 for t in lambdas if abs(t) <= e)
    sign = definiteness(lambdas, e)

    largest = max(abs(t) for t in g)
    along_gradient = optimal = uphill = nan
    if largest > 0.0:
        u = np.array([t / largest for t in g])  # g'g over- and underflows
        uu = sum(t * t for t in u)
        uHu = sum(u[i] * H[i, j] * u[j] for i in range(n) for j in range(n))
        along_gradient = uHu / uu
        optimal = uu / uHu if uHu > 0.0 else inf
        uphill = 2.0 * uu / uHu if uHu > 0.0 else inf

    magnitudes = [abs(t) for t in lambdas]
    stable = best = rate = nan
    heavy_ball = (nan, nan, nan)
    if low > e:
        L, mu = high, low
        kappa = L / mu
        stable, best, rate = 2.0 / L, 2.0 / (mu + L), (kappa - 1.0) / (kappa + 1.0)
        fast, slow = math.sqrt(L), math.sqrt(mu)
        momentum = ((fast - slow) / (fast + slow)) ** 2
        heavy_ball = (4.0 / (fast + slow) ** 2, momentum, (math.sqrt(kappa) - 1.0) / (math.sqrt(kappa) + 1.0))

    kind = None
    if x is not None:
        kind = "REGULAR"
        if is_critical(x, g, H, gradient_error, critical_tol):
            kinds = {"POSITIVE": "MINIMUM", "NEGATIVE": "MAXIMUM", "INDEFINITE": "SADDLE"}
            kind = kinds.get(sign, "INCONCLUSIVE")
    gg = math.fsum(t * t for t in g.tolist())
    gHg = math.fsum(float(g[i] * H[i, j]) * float(g[j]) for i in range(n) for j in range(n))
    return {
        "value": value,
        "gradient": g,
        "hessian": H,
        "eigenvalues": lambdas,
        "eigenvectors": vectors,
        "eigenvalue_error": e,
        "eigenvalue_min": low,
        "eigenvalue_max": high,
        "gradient_norm": largest * math.sqrt(sum((t / largest) ** 2 for t in g)) if largest > 0.0 else 0.0,
        "laplacian": sum(H[i, i] for i in range(n)),
        "index": index,
        "nullity": nullity,
        "definiteness": sign,
        "kind": kind,
        "condition_number": inf if nullity else max(magnitudes) / min(magnitudes),
        "newton_step": np.full(n, nan) if nullity else -np.linalg.solve(H, g),
        "gradient_curvature": along_gradient,
        "optimal_step": optimal,
        "uphill_step": uphill,
        "max_stable_step": stable,
        "best_step": best,
        "convergence_rate": rate,
        "heavy_ball": heavy_ball,
        "predicted_change": lambda step: -step * gg + 0.5 * step * step * gHg,
        "direction_rates": lambda step: [1.0 - step * t for t in lambdas],
        "along": lambda v: float(v @ H @ v) / float(v @ v),
    }


def _invalid(value, n):
    """A point that is not finite: its value as computed, everything derived NaN, -1 or INVALID."""
    scalars = (
        "eigenvalue_error eigenvalue_min eigenvalue_max gradient_norm laplacian condition_number "
        "gradient_curvature optimal_step uphill_step max_stable_step best_step convergence_rate"
    )
    return {
        "value": value,
        **dict.fromkeys(scalars.split(), math.nan),
        **{name: np.full(n, math.nan) for name in ("gradient", "eigenvalues", "newton_step")},
        **{name: np.full((n, n), math.nan) for name in ("hessian", "eigenvectors")},
        "index": -1,
        "nullity": -1,
        "definiteness": "INVALID",
        "kind": "INVALID",
        "heavy_ball": (math.nan,) * 3,
        "predicted_change": lambda step: math.nan,
        "direction_rates": lambda step: [math.nan] * n,
        "along": lambda v: math.nan,
    }

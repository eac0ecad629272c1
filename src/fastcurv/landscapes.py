"""Classical functions with known curvature, in plain Python that Numba compiles.

Each function takes one point `x` (indexable, with `len(x)`) and returns one number; none is decorated.
`critical_points`, `lennard_jones_minimum` and `domain` tell what is known about them.
"""

import math

from fastcurv._landscape_data import CriticalPoint, critical_points, domain, lennard_jones_minimum

__all__ = [
    "CriticalPoint",
    "ackley",
    "beale",
    "booth",
    "critical_points",
    "domain",
    "goldstein_price",
    "griewank",
    "himmelblau",
    "lennard_jones",
    "lennard_jones_minimum",
    "levy",
    "michalewicz",
    "muller_brown",
    "quadratic_form",
    "rastrigin",
    "rosenbrock",
    "six_hump_camel",
    "styblinski_tang",
]

CriticalPoint.__module__ = __name__  # where users find it


def __dir__() -> list[str]:
    return __all__


def rosenbrock(x):
    """Rosenbrock's curved valley, extended to n dimensions.

    sum_{i=1}^{n-1} 100 (x_{i+1} - x_i²)² + (1 - x_i)², n >= 2; the chained form, not the sum of n/2
    independent pairs. Usual domain [-2, 2]^n.

    Minimum 0 at (1, ..., 1). For 4 <= n <= 30 there is a second minimum near (-1, 1, ..., 1).

    References
    ----------
    H. H. Rosenbrock (1960), An automatic method for finding the greatest or least value of a function,
    The Computer Journal 3, 175-184; stationary points: S. Kok and C. Sandrock (2009), Locating and
    characterizing the stationary points of the extended Rosenbrock function, Evol. Comput. 17, 437-453.

    Examples
    --------
    >>> rosenbrock([-1.2, 1.0])
    24.199999999999996
    """
    f = 0.0
    for i in range(len(x) - 1):
        valley = x[i + 1] - x[i] * x[i]
        offset = 1.0 - x[i]
        f += 100.0 * valley * valley + offset * offset
    return f


def muller_brown(x):
    """Müller and Brown's model of a chemical reaction's potential energy, n = 2.

    sum_k A_k exp(a_k (x - x_k)² + b_k (x - x_k)(y - y_k) + c_k (y - y_k)²), four terms.
    Usual domain [-1.5, 1.2] x [-0.2, 2].

    Minima -146.6995, -108.1667, -80.7678; saddles -40.6648, -72.2489.

    References
    ----------
    K. Müller and L. D. Brown (1979), Location of saddle points and minimum energy paths by a constrained
    simplex optimization procedure, Theoretica Chimica Acta 53, 75-93.

    Examples
    --------
    >>> round(muller_brown([-0.558, 1.442]), 3)
    -146.699
    """
    A = (-200.0, -100.0, -170.0, 15.0)
    a = (-1.0, -1.0, -6.5, 0.7)
    b = (0.0, 0.0, 11.0, 0.6)
    c = (-10.0, -10.0, -6.5, 0.7)
    centre_x = (1.0, 0.0, -0.5, -1.0)
    centre_y = (0.0, 0.5, 1.5, 1.0)
    f = 0.0
    for k in range(4):
        dx = x[0] - centre_x[k]
        dy = x[1] - centre_y[k]
        f += A[k] * math.exp(a[k] * dx * dx + b[k] * dx * dy + c[k] * dy * dy)
    return f


def himmelblau(x):
    """Himmelblau's function, n = 2.

    (x² + y - 11)² + (x + y² - 7)², usual domain [-5, 5]².

    Four minima, all 0, one of them (3, 2); one maximum, 181.6165 at (-0.270845, -0.923039); four saddles.

    References
    ----------
    D. M. Himmelblau (1972), Applied Nonlinear Programming, McGraw-Hill.

    Examples
    --------
    >>> himmelblau([3.0, 2.0])
    0.0
    """
    first = x[0] * x[0] + x[1] - 11.0
    second = x[0] + x[1] * x[1] - 7.0
    return first * first + second * second


def six_hump_camel(x):
    """The six-hump camel-back function, n = 2.

    (4 - 2.1 x² + x⁴/3) x² + x y + (-4 + 4 y²) y², usual domain [-2, 2] x [-1, 1] ([-3, 3] x [-2, 2] is
    usual too).

    Fifteen stationary points: six minima, the lowest two -1.0316 at ±(0.0898, -0.7127); two maxima; seven
    saddles, one of them the origin.

    References
    ----------
    L. C. W. Dixon and G. P. Szegö (1978), The global optimization problem: an introduction, in Towards Global
    Optimisation 2, North-Holland, 1-15.

    Examples
    --------
    >>> round(six_hump_camel([0.0898, -0.7126]), 4)
    -1.0316
    """
    u = x[0] * x[0]
    v = x[1] * x[1]
    return (4.0 - 2.1 * u + u * u / 3.0) * u + x[0] * x[1] + (-4.0 + 4.0 * v) * v


def ackley(x):
    """Ackley's function: a funnel under ripples.

    -20 exp(-0.2 sqrt(sum x_i² / n)) - exp(sum cos(2 pi x_i) / n) + 20 + e, usual domain [-32.768, 32.768]^n.

    Minimum 0 at the origin. It is a kink, like that of abs: no derivative exists there, so
    `critical_points` has none to give.

    References
    ----------
    D. H. Ackley (1987), A Connectionist Machine for Genetic Hillclimbing, Kluwer (n = 2); n dimensions:
    T. Bäck (1996), Evolutionary Algorithms in Theory and Practice, Oxford University Press.

    Examples
    --------
    >>> round(ackley([1.0, 1.0]), 6)
    3.625385
    """
    n = len(x)
    squares = 0.0
    ripples = 0.0
    for i in range(n):
        squares += x[i] * x[i]
        ripples += math.cos(2.0 * math.pi * x[i])
    return -20.0 * math.exp(-0.2 * math.sqrt(squares / n)) - math.exp(ripples / n) + 20.0 + math.e


def rastrigin(x):
    """Rastrigin's function: a bowl under a regular grid of ripples.

    10 n + sum x_i² - 10 cos(2 pi x_i), usual domain [-5.12, 5.12]^n.

    Minimum 0 at the origin; minima, maxima and saddles alternate along every coordinate.

    References
    ----------
    L. A. Rastrigin (1974), Systems of Extremal Control, Nauka, Moscow (n = 2); n dimensions:
    H. Mühlenbein, M. Schomisch and J. Born (1991), The parallel genetic algorithm as function optimizer,
    Parallel Computing 17, 619-632.

    Examples
    --------
    >>> rastrigin([1.0, 2.0])
    5.0
    """
    f = 0.0
    for i in range(len(x)):
        f += 10.0 + x[i] * x[i] - 10.0 * math.cos(2.0 * math.pi * x[i])
    return f


def griewank(x):
    """Griewank's function: a wide bowl under a product of cosines.

    1 + sum x_i² / 4000 - prod cos(x_i / sqrt(i)), i from 1, usual domain [-600, 600]^n ([-5, 5]^n shows the
    ripples).

    Minimum 0 at the origin.

    References
    ----------
    A. O. Griewank (1981), Generalized descent for global optimization, J. Optim. Theory Appl. 34, 11-39
    (there with 200 for n = 2 and 4000 for n = 10; 4000 is used here for every n).

    Examples
    --------
    >>> griewank([0.0, 0.0])
    0.0
    """
    bowl = 0.0
    product = 1.0
    for i in range(len(x)):
        bowl += x[i] * x[i] / 4000.0
        product *= math.cos(x[i] / math.sqrt(i + 1.0))
    return 1.0 + bowl - product


def styblinski_tang(x):
    """Styblinski and Tang's function: a separable quartic.

    sum (x_i⁴ - 16 x_i² + 5 x_i) / 2, usual domain [-5, 5]^n.

    Each coordinate has two minima and a maximum: 3^n critical points. Minimum -39.16617 n at
    (-2.903534, ...).

    References
    ----------
    M. A. Styblinski and T.-S. Tang (1990), Experiments in nonconvex optimization: stochastic approximation
    with function smoothing and simulated annealing, Neural Networks 3, 467-483.

    Examples
    --------
    >>> round(styblinski_tang([-2.903534, -2.903534]), 4)
    -78.3323
    """
    f = 0.0
    for i in range(len(x)):
        u = x[i] * x[i]
        f += 0.5 * (u * u - 16.0 * u + 5.0 * x[i])
    return f


def lennard_jones(x):
    """Energy of a cluster of atoms, each pair bound by the Lennard-Jones potential.

    sum over pairs 4 (r^-12 - r^-6), epsilon = sigma = 1; x holds the atoms' coordinates one atom after the
    other, n = 3 N. A pair's minimum is -1 at r = 2^(1/6). Infinite where two atoms meet.

    Global minima: `lennard_jones_minimum`. Translations and, at critical points, rotations are zero modes of
    the Hessian: six for a cluster that is not linear, five for a pair.

    References
    ----------
    J. E. Jones (1924), On the determination of molecular fields II, Proc. R. Soc. A 106, 463-477; clusters:
    D. J. Wales and J. P. K. Doye (1997), Global optimization by basin-hopping and the lowest energy
    structures of Lennard-Jones clusters containing up to 110 atoms, J. Phys. Chem. A 101, 5111-5116.

    Examples
    --------
    >>> round(lennard_jones([0.0, 0.0, 0.0, 2 ** (1 / 6), 0.0, 0.0]), 12)
    -1.0
    """
    f = 0.0
    n_atoms = len(x) // 3
    for i in range(n_atoms):
        for j in range(i):
            dx = x[3 * i] - x[3 * j]
            dy = x[3 * i + 1] - x[3 * j + 1]
            dz = x[3 * i + 2] - x[3 * j + 2]
            u = 1.0 / (dx * dx + dy * dy + dz * dz)
            s = u * u * u
            f += 4.0 * (s * s - s)
    return f


def quadratic_form(x, A, b):
    """x'Ax/2 + b'x, A of shape (n, n), b of shape (n,).

    Gradient (A + A')x/2 + b, Hessian (A + A')/2 at every point: A and b themselves where A is symmetric.

    Examples
    --------
    >>> import numpy as np
    >>> A, b = np.array([[2.0, 1.0], [1.0, 4.0]]), np.array([1.0, 0.0])
    >>> float(quadratic_form([1.0, 1.0], A, b))
    5.0
    """
    f = 0.0
    for i in range(len(x)):
        row = 0.0
        for j in range(len(x)):
            row += A[i, j] * x[j]
        f += (0.5 * row + b[i]) * x[i]
    return f


def levy(x):
    """Levy and Montalvo's function.

    sin²(pi w_1) + sum_{i<n} (w_i - 1)² (1 + 10 sin²(pi w_i + 1)) + (w_n - 1)² (1 + sin²(2 pi w_n)),
    w_i = 1 + (x_i - 1)/4; the form of Surjanovic and Bingham's library. Usual domain [-10, 10]^n.

    Minimum 0 at (1, ..., 1).

    References
    ----------
    A. V. Levy and A. Montalvo (1985), The tunneling algorithm for the global minimization of functions,
    SIAM J. Sci. Stat. Comput. 6, 15-29.

    Examples
    --------
    >>> round(levy([0.0, 0.0]), 6)
    0.715845
    """
    n = len(x)
    f = math.sin(math.pi * (1.0 + 0.25 * (x[0] - 1.0))) ** 2
    for i in range(n - 1):
        d = 0.25 * (x[i] - 1.0)
        f += d * d * (1.0 + 10.0 * math.sin(math.pi * (1.0 + d) + 1.0) ** 2)
    d = 0.25 * (x[n - 1] - 1.0)
    return f + d * d * (1.0 + math.sin(2.0 * math.pi * (1.0 + d)) ** 2)


def michalewicz(x):
    """Michalewicz's function: flat, with narrow steep valleys.

    -sum sin(x_i) sin(i x_i² / pi)^20, i from 1 (steepness m = 10), usual domain [0, pi]^n.

    Minimum -1.8013 for n = 2, -4.6877 for n = 5, -9.6602 for n = 10.

    References
    ----------
    Z. Michalewicz (1992), Genetic Algorithms + Data Structures = Evolution Programs, Springer.

    Examples
    --------
    >>> round(michalewicz([2.2029, 1.5708]), 4)
    -1.8013
    """
    f = 0.0
    for i in range(len(x)):
        f -= math.sin(x[i]) * math.sin((i + 1.0) * x[i] * x[i] / math.pi) ** 20
    return f


def beale(x):
    """Beale's function, n = 2.

    (1.5 - x + x y)² + (2.25 - x + x y²)² + (2.625 - x + x y³)², usual domain [-4.5, 4.5]².

    Minimum 0 at (3, 0.5); a saddle at (0, 1).

    References
    ----------
    E. M. L. Beale (1958), On an Iterative Method for Finding a Local Minimum of a Function of More than One
    Variable, Technical Report 25, Statistical Techniques Research Group, Princeton University.

    Examples
    --------
    >>> beale([0.0, 1.0])
    14.203125
    """
    y = x[1]
    first = 1.5 - x[0] + x[0] * y
    second = 2.25 - x[0] + x[0] * y * y
    third = 2.625 - x[0] + x[0] * y * y * y
    return first * first + second * second + third * third


def goldstein_price(x):
    """Goldstein and Price's function, n = 2: a polynomial of degree 8 whose values span six decades.

    (1 + (x + y + 1)² (19 - 14x + 3x² - 14y + 6xy + 3y²))
    (30 + (2x - 3y)² (18 - 32x + 12x² + 48y - 36xy + 27y²)), usual domain [-2, 2]².

    Minima 3 at (0, -1), 30 at (-0.6, -0.4), 84 at (1.8, 0.2), 840 at (1.2, 0.8).

    References
    ----------
    A. A. Goldstein and J. F. Price (1971), On descent from local minima, Math. Comp. 25, 569-574.

    Examples
    --------
    >>> goldstein_price([0.0, -1.0])
    3.0
    """
    u = x[0]
    v = x[1]
    p = u + v + 1.0
    q = 2.0 * u - 3.0 * v
    first = 19.0 - 14.0 * u + 3.0 * u * u - 14.0 * v + 6.0 * u * v + 3.0 * v * v
    second = 18.0 - 32.0 * u + 12.0 * u * u + 48.0 * v - 36.0 * u * v + 27.0 * v * v
    return (1.0 + p * p * first) * (30.0 + q * q * second)


def booth(x):
    """Booth's function, n = 2: a convex quadratic with Hessian [[10, 8], [8, 10]].

    (x + 2y - 7)² + (2x + y - 5)², usual domain [-10, 10]².

    Minimum 0 at (1, 3).

    References
    ----------
    M. Jamil and X.-S. Yang (2013), A literature survey of benchmark functions for global optimisation
    problems, Int. J. Math. Model. Numer. Optim. 4, 150-194.

    Examples
    --------
    >>> booth([1.0, 3.0])
    0.0
    """
    first = x[0] + 2.0 * x[1] - 7.0
    second = 2.0 * x[0] + x[1] - 5.0
    return first * first + second * second

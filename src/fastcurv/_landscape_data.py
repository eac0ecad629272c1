"""What is known about `landscapes`: critical points, geometries of clusters, usual bounds.

Points are (kind, value, x), polished to 50 digits and then rounded to float64; tests/test_landscapes.py
checks each of them with exact derivatives. The functions themselves are not here.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# Functions of two coordinates. Complete for Himmelblau and the six-hump camel (9 and 15 real roots of the
# gradient, counted by a Sturm sequence), within the usual domain for the others.
PLANE = {
    "muller_brown": (
        ("minimum", -146.69951720995402, (-0.5582236346330243, 1.4417258418046686)),
        ("minimum", -108.16672411685236, (0.6234994049308765, 0.02803775852868566)),
        ("minimum", -80.76781812965903, (-0.05001082299820604, 0.4666941048719721)),
        ("saddle", -72.24894011232522, (0.212486582000662, 0.2929883251073678)),
        ("saddle", -40.664843508657405, (-0.8220015587327321, 0.6243128028148713)),
    ),
    "himmelblau": (
        ("minimum", 0.0, (3.0, 2.0)),
        ("minimum", 0.0, (-2.805118086952745, 3.131312518250573)),
        ("minimum", 0.0, (3.5844283403304917, -1.8481265269644036)),
        ("minimum", 0.0, (-3.779310253377747, -3.2831859912861696)),
        ("maximum", 181.6165215225827, (-0.2708445906673476, -0.9230385564799815)),
        ("saddle", 13.31192627040559, (3.385154183607021, 0.07385187983774928)),
        ("saddle", 67.71915008752615, (0.08667750455539636, 2.884254701174776)),
        ("saddle", 104.0151629175581, (-3.0730257507643897, -0.08135304428796751)),
        ("saddle", 178.33723920192747, (-0.12796134673068008, -1.9537149802445763)),
    ),
    "six_hump_camel": (
        ("minimum", -1.0316284534898774, (0.08984201310031806, -0.7126564030207396)),
        ("minimum", -1.0316284534898774, (-0.08984201310031806, 0.7126564030207396)),
        ("minimum", -0.2154638243837184, (-1.703606714969981, 0.7960835686726251)),
        ("minimum", -0.2154638243837184, (1.703606714969981, -0.7960835686726251)),
        ("minimum", 2.1042503103112575, (-1.6071047529201974, -0.5686514548841314)),
        ("minimum", 2.1042503103112575, (1.6071047529201974, 0.5686514548841314)),
        ("maximum", 2.496295351023577, (-1.2302298765166526, -0.16233458445899496)),
        ("maximum", 2.496295351023577, (1.2302298765166526, 0.16233458445899496)),
        ("saddle", 0.0, (0.0, 0.0)),
        ("saddle", 0.543718600978185, (-1.1092053368047863, 0.7682680925095399)),
        ("saddle", 0.543718600978185, (1.1092053368047863, -0.7682680925095399)),
        ("saddle", 2.2293571975307143, (-1.6380679841897787, -0.22867406904439408)),
        ("saddle", 2.2293571975307143, (1.6380679841897787, 0.22867406904439408)),
        ("saddle", 2.2294708180298595, (-1.2960702671671092, -0.6050843880386585)),
        ("saddle", 2.2294708180298595, (1.2960702671671092, 0.6050843880386585)),
    ),
    "beale": (
        ("minimum", 0.0, (3.0, 0.5)),
        ("saddle", 9.86451228475556, (0.10053793732415836, -2.644513585023125)),
        ("saddle", 14.203125, (0.0, 1.0)),
    ),
    "goldstein_price": (
        ("minimum", 3.0, (0.0, -1.0)),
        ("minimum", 30.0, (-0.6, -0.4)),
        ("minimum", 84.0, (1.8, 0.2)),
        ("minimum", 840.0, (1.2, 0.8)),
        ("maximum", 1155.0, (0.8, 0.2)),
        ("saddle", 35.0, (-0.4, -0.6)),
        ("saddle", 99.0, (1.2, -0.2)),
        ("saddle", 980.0, (1.4, 0.6)),
        ("saddle", 990.0, (0.6, 0.4)),
    ),
    "booth": (("minimum", 0.0, (1.0, 3.0)),),
}
# Rosenbrock, n = 4..8: the second minimum, and the saddle on the way to it.
# fmt: off
ROSENBROCK = {
    4: (
        ("minimum", 3.701428610430017, (-0.7756592265653526, 0.6130933654850435,
         0.38206284633839316, 0.1459720185521946)),
        ("saddle", 3.7082419966472617, (-0.6561246357194459, 0.44312004097157237,
         0.20431224822836433, 0.041743494776128764)),
    ),
    5: (
        ("minimum", 3.930839434133028, (-0.9620510206947501, 0.93573939597671, 0.8807136041943205,
         0.7778776758544064, 0.6050936785926528)),
        ("saddle", 4.657371428200574, (-0.5574683158988488, 0.3247400428337763,
         0.11656732144533992, 0.02335439646429822, 0.0005454278342116253)),
    ),
    6: (
        ("minimum", 3.973940500930295, (-0.9865749795709937, 0.9833982288361818,
         0.9721066700530919, 0.947437436826436, 0.8986511848517297, 0.8075739520354176)),
        ("saddle", 5.646383966587951, (-0.5554197271790323, 0.32249327429744495,
         0.1152070040989045, 0.02350277040503075, 0.01044790120466494, 0.00010915863958243911)),
    ),
    7: (
        ("minimum", 3.983600536424854, (-0.9917225725614055, 0.9935553935033713,
         0.9921733215946921, 0.986898762690314, 0.975164756608873, 0.9514319827049926,
         0.9052228177139535)),
        ("saddle", 6.636262507560018, (-0.5553769767605887, 0.32244648022243266,
         0.11517879975265272, 0.0235061269288694, 0.010656973479399591, 0.010013436716574878,
         0.00010026891487684987)),
    ),
    8: (
        ("minimum", 3.98588776959949, (-0.9929093902018321, 0.9959047633788944,
         0.9968442242481032, 0.9961994846405652, 0.9936496475608952, 0.9879297349416162,
         0.9762427338433783, 0.9530498753819932)),
        ("saddle", 7.626159003438536, (-0.5553760946633415, 0.3224455147293953,
         0.11517821787266759, 0.023506196298782436, 0.01066128840935866, 0.010213757015398792,
         0.010004278051851096, 0.00010008557933874958)),
    ),
}
# fmt: on

# Functions that are sums over the coordinates: (kind, value, x) of one coordinate.
SEPARABLE = {
    "rastrigin": (
        ("minimum", 0.0, 0.0),
        ("maximum", 20.251272990990113, 0.5025460365546747),
        ("minimum", 0.9949590570932915, 0.9949586376523348),
    ),
    "styblinski_tang": (
        ("minimum", -39.16616570377141, -2.903534027771177),
        ("maximum", 0.19561235905535808, 0.1567312567803401),
        ("minimum", -25.02944665528394, 2.746802770990837),
    ),
}

# Michalewicz: (value, x) of the i-th coordinate at the global minimum.
MICHALEWICZ = (
    (-0.8013034100985525, 2.2029055201726093),
    (-1.0, 0.5 * math.pi),
    (-0.9590912698960059, 1.2849915705529245),
    (-0.9384624184720834, 1.9230584698663629),
    (-0.9888010806215044, 1.7204697725658413),
    (-1.0, 0.5 * math.pi),
    (-0.9932271353558816, 1.454413971362379),
    (-0.9828720362722106, 1.7560865209450263),
    (-0.9963943649251029, 1.6557174168210291),
    (-1.0, 0.5 * math.pi),
)

LENNARD_JONES_ENERGY = {
    2: -1.0,
    3: -3.0,
    4: -6.0,
    7: -16.505384168012216,
    13: -44.326801419534023,
    38: -173.92842659062877,
}

BOUNDS = {
    "ackley": (-32.768, 32.768),
    "beale": (-4.5, 4.5),
    "booth": (-10.0, 10.0),
    "goldstein_price": (-2.0, 2.0),
    "griewank": (-600.0, 600.0),
    "himmelblau": (-5.0, 5.0),
    "levy": (-10.0, 10.0),
    "michalewicz": (0.0, math.pi),
    "muller_brown": ((-1.5, -0.2), (1.2, 2.0)),
    "rastrigin": (-5.12, 5.12),
    "rosenbrock": (-2.0, 2.0),
    "six_hump_camel": ((-2.0, -1.0), (2.0, 1.0)),
    "styblinski_tang": (-5.0, 5.0),
}


@dataclass(frozen=True)
class CriticalPoint:
    """A point where the gradient vanishes: `x`, the function's `value` there, and its `kind`."""

    x: tuple[float, ...]
    value: float
    kind: str


def critical_points(fun: Callable, n: int | None = None) -> tuple[CriticalPoint, ...]:
    """Known critical points of a function of `landscapes`, to full double precision.

    Parameters
    ----------
    fun : callable
        A function of `fastcurv.landscapes`.
    n : int, optional
        Number of coordinates, for functions defined in any dimension (2 by default).

    Returns
    -------
    tuple of CriticalPoint
        `kind` is "minimum", "maximum" or "saddle". Complete for `himmelblau`, `six_hump_camel`, `booth` and,
        up to n = 4, `styblinski_tang`; a selection otherwise.

    Raises
    ------
    ValueError
        No critical point is known for this function or this n; the message says for which one is.

    Examples
    --------
    >>> from fastcurv.landscapes import critical_points, muller_brown
    >>> [p.kind for p in critical_points(muller_brown)]
    ['minimum', 'minimum', 'minimum', 'saddle', 'saddle']
    """
    name = _name_of(fun, [*PLANE, *SEPARABLE, *_ANY_DIMENSION], "critical points are known for")
    if name in PLANE:
        if n not in (None, 2):
            raise ValueError(f"n = {n}: {name} has 2 coordinates")
        found = PLANE[name]
    elif name in SEPARABLE:
        found = _sums_of(SEPARABLE[name], _dimension(n, 1))
    else:
        found = _ANY_DIMENSION[name](2 if n is None else n)
    return tuple(CriticalPoint(x, value, kind) for kind, value, x in found)


def lennard_jones_minimum(n_atoms: int) -> np.ndarray:
    """Coordinates of the published global minimum of a Lennard-Jones cluster, shape (3 n_atoms,).

    Generated from its point group (pair, triangle, tetrahedron, pentagonal bipyramid, centred icosahedron,
    truncated octahedron), so that the gradient of `lennard_jones` vanishes to rounding: max|g| <= 1e-11.
    `n_atoms` is 2, 3, 4, 7, 13 or 38; `ValueError` otherwise.

    Examples
    --------
    >>> from fastcurv.landscapes import lennard_jones, lennard_jones_minimum
    >>> round(float(lennard_jones(lennard_jones_minimum(13))), 6)
    -44.326801
    """
    if n_atoms not in LENNARD_JONES_ENERGY:
        raise ValueError(f"n_atoms = {n_atoms}: known are {', '.join(map(str, LENNARD_JONES_ENERGY))}")
    return np.array(_cluster(n_atoms)).ravel()


def domain(fun: Callable, n: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """The bounds (lower, upper), each of shape (n,), on which a function of `landscapes` is usually drawn.

    Examples
    --------
    >>> from fastcurv.landscapes import domain, muller_brown
    >>> lower, upper = domain(muller_brown)
    >>> lower.tolist(), upper.tolist()
    ([-1.5, -0.2], [1.2, 2.0])
    """
    name = _name_of(fun, BOUNDS, "there are usual bounds for")
    if name in PLANE and n != 2:
        raise ValueError(f"n = {n}: {name} has 2 coordinates")
    lower, upper = BOUNDS[name]
    return np.full(n, lower), np.full(n, upper)


def _name_of(fun, known, what):
    fun = getattr(fun, "py_func", fun)
    name = getattr(fun, "__name__", repr(fun))
    if name not in known or getattr(fun, "__module__", None) != "fastcurv.landscapes":
        raise ValueError(f"fun = {name}: {what} {', '.join(sorted(known))}")
    return name


def _dimension(n, least):
    n = 2 if n is None else n
    if n < least:
        raise ValueError(f"n = {n}: at least {least}")
    return n


def _sums_of(points, n):
    """Critical points of a sum over coordinates: all up to n = 4, else one of each number of maxima."""
    if n <= 4:
        choices = itertools.product(points, repeat=n)
    else:
        choices = ([points[1]] * k + [points[0]] * (n - k) for k in range(n + 1))
    for chosen in choices:
        kinds = {kind for kind, _, _ in chosen}
        kind = kinds.pop() if len(kinds) == 1 else "saddle"
        yield kind, math.fsum(value for _, value, _ in chosen), tuple(x for _, _, x in chosen)


def _rosenbrock_points(n):
    return (("minimum", 0.0, (1.0,) * _dimension(n, 2)), *ROSENBROCK.get(n, ()))


def _michalewicz_points(n):
    if not 1 <= n <= len(MICHALEWICZ):
        raise ValueError(f"n = {n}: the minimum of michalewicz is known for n up to {len(MICHALEWICZ)}")
    values, x = zip(*MICHALEWICZ[:n], strict=True)
    return (("minimum", math.fsum(values), x),)


def _lennard_jones_points(n):
    if n % 3 or n // 3 not in LENNARD_JONES_ENERGY:
        known = ", ".join(str(3 * k) for k in LENNARD_JONES_ENERGY)
        raise ValueError(f"n = {n}: the minimum of lennard_jones is known for n = {known}")
    return (("minimum", LENNARD_JONES_ENERGY[n // 3], tuple(lennard_jones_minimum(n // 3).tolist())),)


_ANY_DIMENSION = {
    "griewank": lambda n: (("minimum", 0.0, (0.0,) * _dimension(n, 1)),),
    "lennard_jones": _lennard_jones_points,
    "levy": lambda n: (("minimum", 0.0, (1.0,) * _dimension(n, 1)),),
    "michalewicz": _michalewicz_points,
    "rosenbrock": _rosenbrock_points,
}


def _cluster(n_atoms):
    """Atoms of the global Lennard-Jones minimum, centred: the point group leaves one to four lengths open."""
    edge = 2.0 ** (1.0 / 6.0)
    if n_atoms == 2:
        return [(0.5 * edge, 0.0, 0.0), (-0.5 * edge, 0.0, 0.0)]
    if n_atoms == 3:
        return _ring(3, edge / math.sqrt(3.0))
    if n_atoms == 4:  # every other corner of a cube
        return [p for p in _signed(edge / math.sqrt(8.0)) if p[0] * p[1] * p[2] > 0.0]
    if n_atoms == 7:  # pentagonal bipyramid
        apex = 0.57387016921940045
        return [*_ring(5, 0.95620630960265235), (0.0, 0.0, apex), (0.0, 0.0, -apex)]
    if n_atoms == 13:  # centred icosahedron
        golden = 0.5 * (1.0 + math.sqrt(5.0))
        unit = 1.0818382885513657 / math.hypot(1.0, golden)
        return [(0.0, 0.0, 0.0), *_rotated(0.0, unit, unit * golden)]
    if n_atoms == 38:  # truncated octahedron of the face-centred cubic lattice
        centre = _rotated(0.77593095762044786, 0.0, 0.0)
        faces = _signed(0.77900092508316562)
        corner = (1.5655837414624079, 0.78088944372197091, 0.0)
        return [*centre, *faces, *_rotated(*corner), *_rotated(corner[1], corner[0], 0.0)]
    raise ValueError(n_atoms)


def _ring(number, radius):
    angles = [2.0 * math.pi * k / number for k in range(number)]
    return [(radius * math.cos(a), radius * math.sin(a), 0.0) for a in angles]


def _signed(length):
    return [(s * length, t * length, u * length) for s, t, u in itertools.product((1, -1), repeat=3)]


def _rotated(a, b, c):
    """(a, b, c) with every choice of signs, and its cyclic permutations; each once."""
    signs = itertools.product((1, -1), repeat=3)
    points = {(s * a, t * b, u * c): None for s, t, u in signs}
    return list(dict.fromkeys(q for p in points for q in (p, (p[1], p[2], p[0]), (p[2], p[0], p[1]))))

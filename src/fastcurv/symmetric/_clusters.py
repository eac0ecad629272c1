"""Orthonormal bases for clusters of eigenvalues that are equal to rounding, of tridiagonal matrices, one in each lane.

Any vector of the space that belongs to a cluster serves as an eigenvector. Each is found by inverse iteration, with one
shift for all, beside the cluster, from a vector of no pattern that has nothing of those before (Peters & Wilkinson,
"Inverse iteration, ill-conditioned equations and Newton's method", SIAM Review 21, 1979; for elimination, LAPACK's
dlagtf). Their eigenvalue is the mean of the Rayleigh quotients.
"""

from __future__ import annotations

import math

from fastcurv.simd import any_lane, fma, reciprocal_sqrt, where

from ._factors import pivot
from ._orthogonal import multiply, rayleigh
from ._packing import sort

#: in eps times the largest eigenvalue, some of it for each row, for errors grow: how far from each other clusters are;
#: how wide QL may find them; and how far off their vectors may be
GAP = 2.0**12
WIDTH, WIDTH_PER_ROW = 16.0, 0.5
OFF, OFF_PER_ROW = 8.0, 1 / 16
#: eigenvalues without vectors are brought so close to the mean of a cluster, and by no more, in the same unit
CLOSE = 16.0
#: where eigenvalues may differ: of how many others the vectors can be told apart
FEW = 3.0
#: how far the shift is beside a cluster, in its widths, and in eps besides: vectors of its space keep their directions
BESIDE, ASIDE = 2.0, 2.0


def find_clusters(w, block, n, graded, beside, others, unit):
    """Where eigenvalues of one block are equal to rounding, beside[k] becomes a shift beside the cluster of w[k].

    It is beside w[k] alone where FEW at most are near and may differ (not in `graded` lanes, for which factorisations
    do); -infinity where w[k] is the only one of its block in a cluster; infinity elsewhere. Returns lanes that may have
    a shift.

    w : (n,) vectors
        Eigenvalues, ascending, which belong to `block`.
    others : (n,) vectors
        Scratch; how many of each one's cluster and block there are.
    """
    first, zero = w[0], unit - unit
    widest, found = _widest(n, unit), zero > 0.0
    for k in range(n):
        first = where(w[k] - w[max(k - 1, 0)] > GAP * unit, w[k], first)
        beside[k], others[k] = first, zero
        for j in range(k - 1, -1, -1):
            is_near = w[k] - w[j] <= widest
            if not any_lane(is_near):
                break
            is_other = is_near & (block[j] == block[k])
            one = where(is_other, zero + 1.0, zero)
            others[j], others[k], found = others[j] + one, others[k] + one, found | is_other
    if not any_lane(found):
        for k in range(n):
            beside[k] = zero + math.inf
        return found
    last = w[n - 1]
    for k in range(n - 1, -1, -1):
        last = where(w[min(k + 1, n - 1)] - w[k] > GAP * unit, w[k], last)
        width = last - beside[k]
        is_alone, are_few, is_wide = others[k] == 0.0, others[k] <= FEW, width > widest
        of_all, own = beside[k] - (BESIDE * width + ASIDE * unit), where(graded, math.inf, w[k] - ASIDE * unit)
        of_many = where(is_wide, math.inf, of_all)
        of_few = where(width > 2.0 * _most_off(n, unit), own, of_all)
        beside[k] = where(is_alone, where(is_wide, zero + math.inf, -math.inf), where(are_few, of_few, of_many))
    return found


def is_shift(beside):
    """Lanes in which `find_clusters` has left a shift."""
    return abs(beside) < math.inf


def begin(x, k, n, blocks, own, chosen):
    """Where `chosen`, x becomes numbers from -1 to 1 of no pattern in the rows of a block, others for each k."""
    number, zero = k + 1, own - own
    for i in range(n):
        number = (1103515245 * number + 12345) & 0x7FFFFFFF  # the example of a generator in the C standard
        x[i] = where(chosen, where(blocks[i] == own, zero + (number * 2.0**-30 - 1.0), 0.0), x[i])


def eliminate(n, d, e, shift, factors, side, limits):
    """T - shift = L U, with interchanges of rows. `factors` keep 1 / diagonal of U and what is beside that, multipliers
    of rows, and where these were interchanged: there U has one more entry, e[i + 1].
    """
    inverses, beyond, multipliers, swapped = factors[0][side], factors[1][side], factors[2][side], factors[3][side]
    here, right = d[0] - shift, e[0]
    zero = d[0] - d[0]
    for i in range(n - 1):
        below, diagonal = e[i], d[i + 1] - shift
        is_swapped = abs(below) > abs(here)
        inverses[i] = inverse = 1.0 / pivot(where(is_swapped, below, here), limits)
        multipliers[i] = factor = where(is_swapped, here, below) * inverse
        beyond[i] = upper = where(is_swapped, diagonal, right)
        swapped[i] = where(is_swapped, zero + 1.0, zero)
        here = fma(-factor, upper, where(is_swapped, right, diagonal))
        right = where(is_swapped, -factor * e[i + 1], e[i + 1])
    inverses[n - 1] = 1.0 / pivot(here, limits)


def solve(x, n, e, factors, side, active):
    """Where `active`, x becomes U^-1 L^-1 x of length one."""
    inverses, beyond, multipliers, swapped = factors[0][side], factors[1][side], factors[2][side], factors[3][side]
    here = x[0]
    for i in range(n - 1):
        is_swapped, other = swapped[i] > 0.0, x[i + 1]
        top, rest = where(is_swapped, other, here), where(is_swapped, here, other)
        x[i] = where(active, top, x[i])
        here = fma(-multipliers[i], top, rest)
    after = here * inverses[n - 1]
    x[n - 1] = where(active, after, x[n - 1])
    square, then = after * after, after - after
    for i in range(n - 2, -1, -1):
        second = where(swapped[i] > 0.0, e[i + 1], 0.0)
        value = fma(-beyond[i], after, fma(-second, then, x[i])) * inverses[i]
        x[i] = where(active, value, x[i])
        square, after, then = fma(value, value, square), value, after
    multiply(x, where(active, reciprocal_sqrt(square), 1.0), n)


def note_quotient(x, n, d, e, value, quotients, k, chosen, good, unit):
    """Where `chosen`, note the Rayleigh quotient of x, which is close to `value`; lanes where x is an eigenvector."""
    if any_lane(chosen):
        quotient, residual = rayleigh(x, n, d, e, value)
        quotients[k] = where(chosen, quotient, quotients[k])
        good = good & (~chosen | (residual <= _most_off(n, unit)))
    return good


def even_clusters(w, quotients, n, means, good, unit):
    """Make eigenvalues the mean of their cluster's quotients if these are close to it, else their own, in order; lanes
    where quotients are close to them.

    quotients : (n,) vectors
        As `find_clusters` left them, with those of vectors in place of shifts.
    means : (n,) vectors
        Scratch.
    """
    total = count = w[0] - w[0]
    first = least = most = w[0]
    repeated = count > 0.0
    for k in range(n):
        is_new, is_found = w[k] - w[max(k - 1, 0)] > GAP * unit, is_shift(quotients[k])
        total, count, first = where(is_new, 0.0, total), where(is_new, 0.0, count), where(is_new, w[k], first)
        repeated = (repeated & ~is_new) | is_found
        quotients[k] = quotient = where(is_found, quotients[k], w[k])
        total, count = total + (quotient - first), count + 1.0
        least, most = where(is_new, quotient, min(least, quotient)), where(is_new, quotient, max(most, quotient))
        are_one = repeated & (most - least <= 2.0 * _most_off(n, unit))
        means[k] = where(are_one, first + total / count, math.inf)
    mean, above = means[n - 1], w[n - 1]
    for k in range(n - 1, -1, -1):
        here = w[k]
        mean = where(above - here > GAP * unit, means[k], mean)
        w[k], above = where(mean < math.inf, mean, quotients[k]), here
    sort(w, None, n)
    for k in range(n):
        good = good & (abs(quotients[k] - w[k]) <= _most_off(n, unit))
    return good


def even_values(w, n, means, active, limits):
    """Where `active`, bring eigenvalues that may be equal closer to their mean, which QL finds with less error.

    w : (n,) vectors
        Eigenvalues, ascending.
    means : (n,) vectors
        Scratch.
    """
    unit = 2.0 * limits.half_ulp * max(abs(w[0]), abs(w[n - 1]))
    close = active & ~active
    for k in range(1, n):
        close = close | (active & (w[k] - w[k - 1] <= GAP * unit))
    if not any_lane(close):
        return
    total = count = w[0] - w[0]
    first = w[0]
    widest, close_by = _widest(n, unit), CLOSE * unit
    for k in range(n):
        is_new = w[k] - w[max(k - 1, 0)] > GAP * unit
        first = where(is_new, w[k], first)
        total, count = where(is_new, 0.0, total) + (w[k] - first), where(is_new, 0.0, count) + 1.0
        means[k] = where(w[k] - first <= widest, first + total / count, math.inf)
    mean, above = means[n - 1], w[n - 1]
    for k in range(n - 1, -1, -1):
        here = w[k]
        mean = where(above - here > GAP * unit, means[k], mean)
        nearer = _within(_within(here, mean, close_by), here, close_by)
        w[k], above = where(active & (mean < math.inf), nearer, here), here


def _within(x, middle, reach):
    """The number closest to x that is not further than `reach` from the middle."""
    return min(max(x, middle - reach), middle + reach)


def _widest(n, unit):
    """How far apart QL may find eigenvalues that are equal."""
    return (WIDTH + WIDTH_PER_ROW * n) * unit


def _most_off(n, unit):
    """What a residual may be, and a quotient's distance from the mean."""
    return (OFF + OFF_PER_ROW * n) * unit

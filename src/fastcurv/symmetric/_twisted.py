"""Eigenvectors of symmetric tridiagonal matrices by twisted factorisations, one matrix in each lane.

Vectors of eigenvalues that lie close together are made orthogonal; those further apart are so by themselves, to
eps |T| / |lambda - mu|, or, where eigenvalues crowd towards an end of the spectrum, to eps |mu'| / |lambda - mu| of
mu', their distance from that end (Dhillon & Parlett, "Multiple representations to compute orthogonal eigenvectors of
symmetric tridiagonal matrices", Linear Algebra Appl. 387, 2004). Of eigenvalues of one block that are equal to rounding
a few vectors are found by inverse iteration from what they do not share with the others (Peters & Wilkinson, SIAM
Review 21, 1979); where that fails, it is told.
"""

from __future__ import annotations

import math

from fastcurv.simd import any_lane, fma, reciprocal_sqrt, where

from ._factors import (
    CHANGE,
    factorise,
    factorise_relative,
    forget_slopes,
    improve_two,
    pivot,
    represent,
    twisted_vectors,
)

#: how far the interval about an eigenvalue reaches: relative to the largest; relative to its vector's residual in eps
#: and, where they crowd towards an end, to its distance from that; where errors have grown, and at most, relative to
#: the largest; and besides, in eps times the largest, for to that eigenvalues are known. Where intervals overlap
#: vectors are made orthogonal
NEAR, RELATIVE, WIDEST, BLUR = 1 / 32, 1 / 18, 1 / 9, 50.0
#: the order from which crowded eigenvalues are worth it, and how far half of them reach, relative to the largest
GRADED, CROWDED = 16, 1 / 16
#: relative changes of entries up to here are taken to be of the first order; changes of shifts, the square relative to
#: half_ulp; and the order from which shifts are changed twice where that is more
FIRST_ORDER, FAR, TWICE = 1 / 8, 1 / 64, 65
#: the most that may be, in eps times the largest eigenvalue: a residual, and by how much a corrected eigenvalue is
#: below the one before, which it is made equal to
RESIDUAL, ORDER = 4.0, 12.0
#: what must be left of a vector's square when the others are taken out, and what once they are taken out again, which
#: they are where less than MOST is left: what others lack of being orthogonal to each other comes in with what is taken
LEAST, HALF, MOST = 0.05, 0.5, 0.95
#: where less is left: iterations, and by how many eps their shift is beside the eigenvalue, for others are as close
ITERATIONS, ASIDE = 2, 2.0
#: the order up to which all vectors of a matrix may be found so, and above how many: more take longer than QL
ALL_ITERATED, MOST_ITERATED = 24, 2


def take_out_of_two(z, tops, start, k, n, first, apart, limits):
    """Make z[k] and z[k+1] orthogonal to z[j], j < k, where tops[j] > start[0] and start[1], in some of the lanes.

    Their numbers of column i are at first + i apart. By four z[j] at a time, which are orthogonal to each other.
    """
    other = min(k + 1, n - 1)
    x, y = z[k], z[other]
    x_start, y_start = start[first], start[first + (other - k) * apart]
    zero = x[first] - x[first]
    for last in range(k - 1, -1, -4):
        j0, j1, j2, j3 = last, max(last - 1, 0), max(last - 2, 0), max(last - 3, 0)
        t0, t1 = tops[first + j0 * apart], tops[first + j1 * apart]
        t2, t3 = tops[first + j2 * apart], tops[first + j3 * apart]
        if not any_lane(t0 > min(x_start, y_start)):
            break
        z0, z1, z2, z3 = z[j0], z[j1], z[j2], z[j3]
        p0, p1, p2, p3 = zero, zero, zero, zero
        q0, q1, q2, q3 = zero, zero, zero, zero
        for i in range(first, first + n * apart, apart):
            x_i, y_i, u, v = x[i], y[i], z0[i], z1[i]
            p0, q0, p1, q1 = fma(u, x_i, p0), fma(u, y_i, q0), fma(v, x_i, p1), fma(v, y_i, q1)
            u, v = z2[i], z3[i]
            p2, q2, p3, q3 = fma(u, x_i, p2), fma(u, y_i, q2), fma(v, x_i, p3), fma(v, y_i, q3)
        p0, q0 = _taken(p0, t0 > x_start, limits), _taken(q0, t0 > y_start, limits)
        p1, q1 = _taken(p1, (t1 > x_start) & (j1 < j0), limits), _taken(q1, (t1 > y_start) & (j1 < j0), limits)
        p2, q2 = _taken(p2, (t2 > x_start) & (j2 < j1), limits), _taken(q2, (t2 > y_start) & (j2 < j1), limits)
        p3, q3 = _taken(p3, (t3 > x_start) & (j3 < j2), limits), _taken(q3, (t3 > y_start) & (j3 < j2), limits)
        of_x, of_y = (abs(p0) + abs(p1)) + (abs(p2) + abs(p3)), (abs(q0) + abs(q1)) + (abs(q2) + abs(q3))
        if any_lane(of_x + of_y > 0.0):
            for i in range(first, first + n * apart, apart):
                z0_i, z1_i, z2_i, z3_i = z0[i], z1[i], z2[i], z3[i]
                x_i = fma(-p0, z0_i, fma(-p1, z1_i, fma(-p2, z2_i, fma(-p3, z3_i, x[i]))))
                y[i] = fma(-q0, z0_i, fma(-q1, z1_i, fma(-q2, z2_i, fma(-q3, z3_i, y[i]))))
                x[i] = x_i


def _taken(product, near, limits):
    """How much of a vector is taken out of another: nothing where that would not show."""
    return where(near & (abs(product) > 4.0 * limits.half_ulp), product, 0.0)


def take_out_of_one(x, z_j, n, near, limits):
    """Make x orthogonal to z_j where they are near."""
    product = x[0] - x[0]
    for i in range(n):
        product = fma(z_j[i], x[i], product)
    product = _taken(product, near, limits)
    for i in range(n):
        x[i] = fma(-product, z_j[i], x[i])


def take_out(z, k, n, tops, start, active, limits):
    """Make z[k] orthogonal to z[j], j < k, where `active` and tops[j] > start."""
    for j in range(k - 1, -1, -1):
        near = active & (tops[j] > start)
        if not any_lane(near):
            break
        take_out_of_one(z[k], z[j], n, near, limits)


def square_sum(x, n):
    """x'x."""
    square = x[0] * x[0]
    for i in range(1, n):
        square = fma(x[i], x[i], square)
    return square


def multiply(x, factor, n):
    """x times a factor in each lane."""
    for i in range(n):
        x[i] = x[i] * factor


def tridiagonal_vectors(
    d, e, squares, w, blocks, block, z, n, good, factors, relative, joined, tops, same, apart, limits
):
    """Where `good`, row k of z becomes the eigenvector of w[k], ascending, which belongs to block[k]. Lanes that are.

    A factorisation corrects the eigenvalue, and gives the vector with what the correction changes in it, to the first
    order: its residual is that of rounding. Where that is not enough, as for vectors of a close pair, it is done again
    with what was corrected; so are small eigenvalues that are corrected by much. Two vectors are found at once. Those
    are made orthogonal about whose eigenvalues intervals overlap, and all that lie in one: what its vector has of
    others comes into those that it is taken out of. tops[k] is where the intervals of w[:k+1] end.

    squares : those of couplings
    factors : as for `factorise`, (2, n) vectors, scratch; relative : pivots, products, n vectors, scratch
    joined, tops : n vectors, scratch
    same, apart : z, tops and q[0] as vectors of fewer lanes, of which `apart` make one of theirs
    """
    largest = max(abs(w[0]), abs(w[n - 1]))
    unit = max(2.0 * limits.half_ulp * largest, 64.0 * limits.pivot)  # of zero matrices, too
    graded, origin = _graded(w, n, largest, unit)
    widest = WIDEST * largest + BLUR * unit
    counted_twice = d  # less the shift, where factorisations are joined
    if any_lane(graded):
        represent(d, e, n, origin, relative, limits)
        for i in range(n):
            joined[i] = where(graded, 0.0, d[i])
        counted_twice = joined
    known = d, squares, blocks, counted_twice, relative
    start = factors[3][0]
    z_too, tops_too, start_too = same
    iterated, never = unit - unit, good & ~good
    for k in range(0, n, 2):
        if not any_lane(good):
            break
        other = min(k + 1, n - 1)
        shifts, own = (w[k] - origin, w[other] - origin), (block[k], block[other])
        large, repeats = (never, never), 2 if n >= TWICE else 1
        while True:  # each in one place, for the compiler copies it into all
            rows, gammas, changes = _improve(known, n, own, shifts, factors, good, graded, limits)
            far = _are_far(changes, shifts, good & graded, limits)
            if repeats > 0 and any_lane(far[0] | far[1]):
                shifts, repeats = _changed(far, shifts, changes), repeats - 1
                continue
            if any_lane(large[0] | large[1]):
                forget_slopes(n, large, factors)
            (square_1, most_1), (square_2, most_2) = twisted_vectors(
                z[k], z[other], e, n, rows, changes, factors, limits
            )
            more = good & ~large[0] & ~(most_1 <= FIRST_ORDER), good & ~large[1] & ~(most_2 <= FIRST_ORDER)
            if not any_lane(more[0] | more[1]):
                break
            shifts, large, repeats = _changed(more, shifts, changes), more, 0
        residual_1 = _residual(gammas[0], changes[0], square_1, most_1, large[0])
        residual_2 = _residual(gammas[1], changes[1], square_2, most_2, large[1])
        found_1 = square_1, residual_1, shifts[0] + changes[0]
        found_2 = square_2, residual_2, shifts[1] + changes[1]
        good, reach_1 = _vector(z, k, n, w, origin, found_1, d, e, factors, good, graded, widest, unit, limits)
        reach_2 = reach_1
        if other > k:
            good, reach_2 = _vector(z, other, n, w, origin, found_2, d, e, factors, good, graded, widest, unit, limits)
        start[0], start[1] = where(good, w[k] - reach_1, math.inf), where(good, w[other] - reach_2, math.inf)
        if k > 0 and any_lane(tops[k - 1] > min(start[0], start[1])):
            for first in range(apart):
                take_out_of_two(z_too, tops_too, start_too, k, n, first, apart, limits)
            good, iterated, reach_1 = _orthogonal(
                z, k, n, w, tops, other + 1, reach_1, widest, good, iterated, d, e, factors, unit, limits
            )
        _note_top(tops, k, w[k] + reach_1)
        if other > k:
            if any_lane(tops[k] > start[1]):
                take_out_of_one(z[other], z[k], n, good & (tops[k] > start[1]), limits)
                good, iterated, reach_2 = _orthogonal(
                    z, other, n, w, tops, other + 1, reach_2, widest, good, iterated, d, e, factors, unit, limits
                )
            _note_top(tops, other, w[other] + reach_2)
    return good


def _graded(w, n, largest, unit):
    """Lanes in which half of the eigenvalues crowd towards an end of the spectrum, more of them the closer to it; that
    end, or 0.
    """
    middle = w[n // 2]
    below, above, near = middle - w[0], w[n - 1] - middle, largest * (CROWDED if n >= GRADED else 0.0)
    is_low = (below < near) & (16.0 * (w[n // 4] - w[0]) < below)
    is_high = (above < near) & (16.0 * (w[n - 1] - w[n - 1 - n // 4]) < above)
    return is_low | is_high, where(is_low, w[0] - BLUR * unit, where(is_high, w[n - 1] + BLUR * unit, 0.0))


def _improve(known, n, own, shifts, factors, good, graded, limits):
    """Factorise each lane's representation of T, and `improve_two`."""
    d, squares, blocks, counted_twice, relative = known
    if any_lane(good & ~graded):
        factorise(d, squares, n, shifts, factors, limits)
    if any_lane(good & graded):
        factorise_relative(relative, n, shifts, factors, graded, limits)
    return improve_two(counted_twice, squares, n, blocks, own, shifts, factors, limits)


def _are_far(changes, shifts, active, limits):
    """Whether shifts change by so much, relative to themselves, that vectors do by more than the first order tells."""
    least_1, least_2 = FAR * limits.half_ulp * (shifts[0] * shifts[0]), FAR * limits.half_ulp * (shifts[1] * shifts[1])
    return active & (changes[0] * changes[0] > least_1), active & (changes[1] * changes[1] > least_2)


def _changed(chosen, shifts, changes):
    """Two shifts, changed where that is chosen."""
    return where(chosen[0], shifts[0] + changes[0], shifts[0]), where(chosen[1], shifts[1] + changes[1], shifts[1])


def _residual(gamma, change, square, most, unchanged):
    """The residual of a vector of length one, with or without what the change of its shift changes in it."""
    return where(unchanged | (change == 0.0), abs(gamma) * reciprocal_sqrt(square), abs(change) * most)


def _note_top(tops, k, top):
    """tops[k], of which the k before are known."""
    tops[k] = max(tops[k - 1], top) if k > 0 else top


def _vector(z, k, n, w, origin, found, d, e, factors, good, graded, widest, unit, limits):
    """The eigenvector z[k] and w[k]; lanes that are good, and how far the interval about w[k] reaches."""
    x, value, side = z[k], w[k], k % 2
    square, residual, shift = found
    good = good & (square * limits.square < 1.0)  # it did not overflow
    poor = good & ~(residual <= RESIDUAL * unit)
    better = origin + shift
    of_residual = RELATIVE * (residual * (0.5 / limits.half_ulp))
    reach = min(max((NEAR / WIDEST) * widest, of_residual), widest)
    if any_lane(graded):
        own = max(RELATIVE * abs(shift), of_residual) + BLUR * unit
        reach = where(graded, min(own, widest), reach)
    if any_lane(poor):
        iterate(x, n, d, e, value, factors, side, poor, limits)
        quotient, residual = rayleigh(x, n, d, e, value)
        better, reach = where(poor, quotient, better), where(poor, widest, reach)
        good = good & (~poor | (residual <= RESIDUAL * unit))
    return _corrected(w, k, k, better, good, good, unit), reach


def _corrected(w, k, known, better, active, good, unit):
    """Replace w[k] by a better one where `active` and that shows; so were w[:k] and w[k+1:known]. Lanes that are good:
    it is close, and in order.
    """
    value = w[k]
    fits = abs(better - value) <= CHANGE * unit
    better = where(active & (abs(better - value) > 0.125 * unit), better, value)
    if k > 0:
        fits = fits & (better >= w[k - 1] - ORDER * unit)
        better = max(w[k - 1], better)
    if k + 1 < known:
        fits = fits & (better <= w[k + 1] + ORDER * unit)
        better = min(w[k + 1], better)
    w[k] = better
    return good & (~active | fits)


def _orthogonal(z, k, n, w, tops, known, reach, widest, good, iterated, d, e, factors, unit, limits):
    """Whether z[k], without what it had of z[j], j < k, tops[j] > w[k] - reach, is an eigenvector; they are taken out
    once more, and others, where little is left.

    Where it is good, z[k] has length one again. Where nearly nothing is left, as for eigenvalues that are equal but for
    rounding, inverse iteration begins with that: it has nothing of the others. Returns lanes that are good, how often
    there was nothing left, and how far the interval about w[k] reaches then.
    """
    x = z[k]
    close = good & (tops[k - 1] > w[k] - reach)
    left = square_sum(x, n)
    doubtful, lost = close & (left < HALF), close & (left <= LEAST)
    iterated = where(lost, iterated + 1.0, iterated)
    lost = lost & (iterated <= (n if n <= ALL_ITERATED else MOST_ITERATED))
    if any_lane(lost):
        for _ in range(ITERATIONS):
            iterate(x, n, d, e, w[k] + ASIDE * unit, factors, k % 2, lost, limits)
            take_out(z, k, n, tops, w[k] - widest, lost, limits)
        left = where(lost, square_sum(x, n), left)
    good = good & (~close | (left > LEAST))
    again = good & close & (left < MOST)
    reach = where(lost | (again & (left < HALF)), widest, reach)  # errors grow when what is left becomes a vector
    if any_lane(again):
        multiply(x, where(again, reciprocal_sqrt(where(again, left, 1.0)), 1.0), n)
        take_out(z, k, n, tops, w[k] - reach, again, limits)
        left = where(again, square_sum(x, n), left)
        good = good & (~again | (left > MOST))
    changed = good & close & (abs(left - 1.0) > 8.0 * limits.half_ulp)
    if any_lane(changed):
        multiply(x, where(changed, reciprocal_sqrt(where(changed, left, 1.0)), 1.0), n)
    if any_lane(doubtful):
        quotient, residual = rayleigh(x, n, d, e, w[k])
        good = _corrected(w, k, known, quotient, doubtful, good & (~doubtful | (residual <= RESIDUAL * unit)), unit)
    return good, iterated, reach


def iterate(x, n, d, e, shift, factors, side, active, limits):
    """Where `active`, x becomes (T - shift)^-1 x of length one; T - shift = L diag(pivots) L' is left in `factors`."""
    lower, pivots = factors[0][side], factors[2][side]
    multiply(x, where(active, reciprocal_sqrt(square_sum(x, n)), 1.0), n)
    pivots[0] = here = pivot(d[0] - shift, limits)
    for i in range(n - 1):
        lower[i] = e[i] / here
        pivots[i + 1] = here = pivot(fma(-e[i], lower[i], d[i + 1] - shift), limits)
        x[i + 1] = where(active, fma(-lower[i], x[i], x[i + 1]), x[i + 1])
    x[n - 1] = where(active, x[n - 1] / here, x[n - 1])
    for i in range(n - 2, -1, -1):
        x[i] = where(active, fma(-lower[i], x[i + 1], x[i] / pivots[i]), x[i])
    multiply(x, where(active, reciprocal_sqrt(square_sum(x, n)), 1.0), n)


def rayleigh(x, n, d, e, value):
    """x'T x of a vector of length one, and the length of what T x has besides; `value` is close to it."""
    square = product = before = value - value
    for i in range(n):
        here = fma(d[i] - value, x[i], before)
        if i < n - 1:
            here, before = fma(e[i], x[i + 1], here), e[i] * x[i]
        square, product = fma(here, here, square), fma(here, x[i], product)
    return value + product, math.sqrt(max(fma(-product, product, square), 0.0))

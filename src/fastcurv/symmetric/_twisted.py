"""Eigenvectors of symmetric tridiagonal matrices by twisted factorisations, one matrix in each lane.

T - lambda is factored from both ends, and the factors are joined at the row r where what is left over, gamma, is
smallest: a vector z with (T - lambda) z = gamma e_r then takes n products (Fernando, SIAM J. Matrix Anal. Appl. 18,
1997; Parlett & Dhillon, "Fernando's solution to Wilkinson's problem", Linear Algebra Appl. 267, 1997). Vectors of
eigenvalues that lie close together are made orthogonal; those further apart are so by themselves, to
eps |T| / |lambda - mu|. Of eigenvalues of one block that are equal to rounding a few vectors are found by inverse
iteration from what they do not share with the others (Peters & Wilkinson, SIAM Review 21, 1979); where that fails, it
is told.
"""

from __future__ import annotations

import math

from fastcurv.simd import any_lane, fma, reciprocal, reciprocal_sqrt, where

#: eigenvalues closer than this, relative to the largest, have vectors that are orthogonalised
NEAR = 1 / 16
#: the most that may be, in eps times the largest eigenvalue: gamma / |z|, the correction of an eigenvalue, and by how
#: much it is then below the one before, which it is made equal to
RESIDUAL, CHANGE, ORDER = 4.0, 100.0, 12.0
#: what must be left of a vector's square when the others are taken out, and what once they are taken out again, which
#: they are where less than MOST is left: what others lack of being orthogonal to each other comes in with what is taken
LEAST, LITTLE, MOST = 0.05, 0.2, 0.95
#: where less is left: iterations, and by how many eps their shift is beside the eigenvalue, for others are as close
ITERATIONS, ASIDE = 2, 2.0
#: the order up to which all vectors of a matrix may be found so, and above how many: more take longer than QL
ALL_ITERATED, MOST_ITERATED = 24, 2


def split(d, e, n, blocks, limits):
    """Clear negligible couplings, also those that only the largest entry makes so; number the blocks that are left."""
    zero = d[0] - d[0]
    largest_d, largest_e = zero, zero
    for i in range(n):
        largest_d, largest_e = max(largest_d, abs(d[i])), max(largest_e, abs(e[i]))
    floor = 0.5 * limits.half_ulp * (largest_d + largest_e)
    number = zero
    for i in range(n - 1):
        blocks[i] = number
        negligible = abs(e[i]) <= max(limits.half_ulp * (abs(d[i]) + abs(d[i + 1])), floor)
        e[i] = where(negligible, 0.0, e[i])
        number = where(negligible, number + 1.0, number)
    blocks[n - 1] = number


def factorise(d, e, n, shifts, lower, upper, p, q, limits):
    """T - shift = L diag(p) L' = U diag(q) U' of two shifts, with subdiagonal `lower` of L, superdiagonal `upper` of U.

    Two at once, from both ends, because each pivot waits for the one before.
    """
    lower_1, lower_2, upper_1, upper_2 = lower[0], lower[1], upper[0], upper[1]
    p_1, p_2, q_1, q_2 = p[0], p[1], q[0], q[1]
    shift_1, shift_2 = shifts
    top_1, top_2 = _pivot(d[0] - shift_1, limits), _pivot(d[0] - shift_2, limits)
    end_1, end_2 = _pivot(d[n - 1] - shift_1, limits), _pivot(d[n - 1] - shift_2, limits)
    p_1[0], p_2[0], q_1[n - 1], q_2[n - 1] = top_1, top_2, end_1, end_2
    for i in range(n - 1):  # half of the quotients by the divider, half by what multiplies meanwhile
        k = n - 2 - i
        lower_1[i], top_1 = _eliminated(e[i], e[i] * reciprocal(top_1), d[i + 1] - shift_1, limits)
        upper_1[k], end_1 = _eliminated(e[k], e[k] / end_1, d[k] - shift_1, limits)
        lower_2[i], top_2 = _eliminated(e[i], e[i] * reciprocal(top_2), d[i + 1] - shift_2, limits)
        upper_2[k], end_2 = _eliminated(e[k], e[k] / end_2, d[k] - shift_2, limits)
        p_1[i + 1], p_2[i + 1], q_1[k], q_2[k] = top_1, top_2, end_1, end_2


def _eliminated(e_i, factor, diagonal, limits):
    """The factor e_i / pivot, and the pivot of the next row."""
    return factor, _pivot(fma(-e_i, factor, diagonal), limits)


def _pivot(x, limits):
    """x, unless it vanishes: then a number so small that it does not matter."""
    return x + limits.pivot


def twist(d, n, blocks, block, shift, p, q):
    """The row of a block where gamma = p + q - (d - shift) is smallest, and this gamma."""
    zero = shift - shift
    least, row, gamma = zero + math.inf, zero, zero
    for i in range(n):
        here = (p[i] + q[i]) - (d[i] - shift)
        smaller = (abs(here) < least) & (blocks[i] == block)
        least, row, gamma = where(smaller, abs(here), least), where(smaller, i, row), where(smaller, here, gamma)
    return row, gamma


def left_over(d, n, row, shift, p, q):
    """gamma of a row."""
    gamma = shift - shift
    for i in range(n):
        gamma = where(row == i, (p[i] + q[i]) - (d[i] - shift), gamma)
    return gamma


def square_norm(n, row, lower, upper):
    """z'z of the vector that is 1 in `row`, from the ends inwards."""
    top = bottom = row - row + 1.0
    for i in range(n - 1):
        k = n - 2 - i
        top = where(row > i, fma(lower[i] * lower[i], top, 1.0), top)
        bottom = where(row <= k, fma(upper[k] * upper[k], bottom, 1.0), bottom)
    return top + bottom - 1.0


def twisted_vector(z, n, row, lower, upper):
    """z with 1 in `row`, outwards by the two factorisations; z'z."""
    one = row - row + 1.0
    x = where(row == n - 1, one, 0.0)
    z[n - 1] = x
    for i in range(n - 2, -1, -1):
        x = where(row == i, one, -lower[i] * x)
        z[i] = x
    square = x * x
    for i in range(1, n):
        x = where(row < i, -upper[i - 1] * x, z[i])
        z[i] = x
        square = fma(x, x, square)
    return square


def take_out_of_two(z, w, start, k, n, first, apart, limits):
    """Make z[k] and z[k+1] orthogonal to z[j], j < k, where w[j] > start[0] and start[1], in some of the lanes.

    Their numbers of column i are at first + i apart. By four z[j] at a time, which are orthogonal to each other.
    """
    other = min(k + 1, n - 1)
    x, y = z[k], z[other]
    x_start, y_start = start[first], start[first + (other - k) * apart]
    zero = x[first] - x[first]
    for last in range(k - 1, -1, -4):
        j0, j1, j2, j3 = last, max(last - 1, 0), max(last - 2, 0), max(last - 3, 0)
        w0, w1, w2, w3 = w[first + j0 * apart], w[first + j1 * apart], w[first + j2 * apart], w[first + j3 * apart]
        if not any_lane(w0 > x_start):
            break
        z0, z1, z2, z3 = z[j0], z[j1], z[j2], z[j3]
        p0, p1, p2, p3 = zero, zero, zero, zero
        q0, q1, q2, q3 = zero, zero, zero, zero
        for i in range(first, first + n * apart, apart):
            x_i, y_i, u, v = x[i], y[i], z0[i], z1[i]
            p0, q0, p1, q1 = fma(u, x_i, p0), fma(u, y_i, q0), fma(v, x_i, p1), fma(v, y_i, q1)
            u, v = z2[i], z3[i]
            p2, q2, p3, q3 = fma(u, x_i, p2), fma(u, y_i, q2), fma(v, x_i, p3), fma(v, y_i, q3)
        p0, q0 = _taken(p0, w0 > x_start, limits), _taken(q0, w0 > y_start, limits)
        p1, q1 = _taken(p1, (w1 > x_start) & (j1 < j0), limits), _taken(q1, (w1 > y_start) & (j1 < j0), limits)
        p2, q2 = _taken(p2, (w2 > x_start) & (j2 < j1), limits), _taken(q2, (w2 > y_start) & (j2 < j1), limits)
        p3, q3 = _taken(p3, (w3 > x_start) & (j3 < j2), limits), _taken(q3, (w3 > y_start) & (j3 < j2), limits)
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


def take_out(z, k, n, w, start, active, limits):
    """Make z[k] orthogonal to z[j], j < k, where `active` and w[j] > start."""
    for j in range(k - 1, -1, -1):
        near = active & (w[j] > start)
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


def improved(value, gamma, n, row, lower, upper, limits):
    """An eigenvalue corrected by gamma / z'z, which makes it the Rayleigh quotient of z."""
    square = square_norm(n, row, lower, upper)
    return value + where(square * limits.square < 1.0, gamma * reciprocal(square), 0.0)


def tridiagonal_vectors(d, e, w, blocks, block, z, n, good, lower, upper, p, q, same, apart, limits):
    """Where `good`, row k of z becomes the eigenvector of w[k], ascending, which belongs to block[k]. Lanes that are.

    A first factorisation corrects the eigenvalue, a second one gives the vector: its residual is that of rounding.
    Two vectors are found at once.
    lower, upper, p, q : (2, n) vectors, scratch.
    same, apart : z, w and q[0] as vectors of fewer lanes, of which `apart` make one of theirs
    """
    largest = max(abs(w[0]), abs(w[n - 1]))
    unit, reach = max(2.0 * limits.half_ulp * largest, 64.0 * limits.pivot), NEAR * largest  # of zero matrices, too
    z_too, w_too, start_too = same
    iterated = unit - unit
    for k in range(0, n, 2):
        if not any_lane(good):
            break
        other = min(k + 1, n - 1)
        values = w[k], w[other]
        factorise(d, e, n, values, lower, upper, p, q, limits)
        row_1, gamma_1 = twist(d, n, blocks, block[k], values[0], p[0], q[0])
        row_2, gamma_2 = twist(d, n, blocks, block[other], values[1], p[1], q[1])
        shift_1 = improved(values[0], gamma_1, n, row_1, lower[0], upper[0], limits)
        shift_2 = improved(values[1], gamma_2, n, row_2, lower[1], upper[1], limits)
        factorise(d, e, n, (shift_1, shift_2), lower, upper, p, q, limits)
        gamma_1, gamma_2 = left_over(d, n, row_1, shift_1, p[0], q[0]), left_over(d, n, row_2, shift_2, p[1], q[1])
        good = _vector(z, k, n, w, shift_1, gamma_1, row_1, d, e, lower[0], upper[0], p[0], good, unit, limits)
        if other > k:
            good = _vector(z, other, n, w, shift_2, gamma_2, row_2, d, e, lower[1], upper[1], p[1], good, unit, limits)
        start = q[0]
        start[0], start[1] = where(good, w[k] - reach, math.inf), where(good, w[other] - reach, math.inf)
        if k > 0 and any_lane(w[k - 1] > start[0]):
            for first in range(apart):
                take_out_of_two(z_too, w_too, start_too, k, n, first, apart, limits)
            good, iterated = _orthogonal(
                z, k, n, w, other + 1, start[0], good, iterated, d, e, lower[0], p[0], unit, limits
            )
        if other > k and any_lane(w[k] > start[1]):
            take_out_of_one(z[other], z[k], n, good & (w[k] > start[1]), limits)
            good, iterated = _orthogonal(
                z, other, n, w, other + 1, start[1], good, iterated, d, e, lower[1], p[1], unit, limits
            )
    return good


def _vector(z, k, n, w, shift, gamma, row, d, e, lower, upper, pivots, good, unit, limits):
    """The eigenvector z[k] and w[k]; lanes that are good."""
    x, value = z[k], w[k]
    square = twisted_vector(x, n, row, lower, upper)
    inverse = reciprocal_sqrt(square)
    gamma = gamma * inverse
    good = good & (square * limits.square < 1.0)  # it did not overflow
    for i in range(n):
        x_i = x[i] * inverse
        x[i] = where(abs(x_i) < limits.entry, 0.0, x_i)
    poor = good & (abs(gamma) > RESIDUAL * unit)
    better = fma(gamma, inverse, shift)
    if any_lane(poor):
        iterate(x, n, d, e, value, lower, pivots, poor, limits)
        quotient, residual = rayleigh(x, n, d, e, value)
        better = where(poor, quotient, better)
        good = good & (~poor | (residual <= RESIDUAL * unit))
    return _corrected(w, k, k, better, good, good, unit)


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


def _orthogonal(z, k, n, w, known, start, good, iterated, d, e, lower, pivots, unit, limits):
    """Whether z[k], without what it had of z[j], j < k, w[j] > start, is an eigenvector; they are taken out once more
    where little is left.

    Where it is good, z[k] has length one again. Where nearly nothing is left, as for eigenvalues that are equal but for
    rounding, inverse iteration begins with that: it has nothing of the others.
    """
    x = z[k]
    close = good & (w[k - 1] > start)
    left = square_sum(x, n)
    doubtful, lost = close & (left <= LITTLE), close & (left <= LEAST)
    iterated = where(lost, iterated + 1.0, iterated)
    lost = lost & (iterated <= (n if n <= ALL_ITERATED else MOST_ITERATED))
    if any_lane(lost):
        for _ in range(ITERATIONS):
            iterate(x, n, d, e, w[k] + ASIDE * unit, lower, pivots, lost, limits)
            take_out(z, k, n, w, start, lost, limits)
        left = where(lost, square_sum(x, n), left)
    good = good & (~close | (left > LEAST))
    again = good & close & (left < MOST)
    if any_lane(again):
        multiply(x, where(again, reciprocal_sqrt(where(again, left, 1.0)), 1.0), n)
        take_out(z, k, n, w, start, again, limits)
        left = where(again, square_sum(x, n), left)
        good = good & (~again | (left > MOST))
    changed = good & close & (abs(left - 1.0) > 8.0 * limits.half_ulp)
    if any_lane(changed):
        multiply(x, where(changed, reciprocal_sqrt(where(changed, left, 1.0)), 1.0), n)
    if any_lane(doubtful):
        quotient, residual = rayleigh(x, n, d, e, w[k])
        good = _corrected(w, k, known, quotient, doubtful, good & (~doubtful | (residual <= RESIDUAL * unit)), unit)
    return good, iterated


def iterate(x, n, d, e, shift, lower, pivots, active, limits):
    """Where `active`, x becomes (T - shift)^-1 x of length one, by T - shift = L diag(pivots) L', which is left."""
    multiply(x, where(active, reciprocal_sqrt(square_sum(x, n)), 1.0), n)
    pivot = _pivot(d[0] - shift, limits)
    pivots[0] = pivot
    for i in range(n - 1):
        lower[i], pivot = _eliminated(e[i], e[i] / pivot, d[i + 1] - shift, limits)
        pivots[i + 1] = pivot
        x[i + 1] = where(active, fma(-lower[i], x[i], x[i + 1]), x[i + 1])
    x[n - 1] = where(active, x[n - 1] / pivot, x[n - 1])
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

"""Twisted factorisations of symmetric tridiagonal matrices, one in each lane.

T - lambda is factored from both ends, and the factors are joined at the row r where what is left over, gamma, is
smallest: a vector z with (T - lambda) z = gamma e_r then takes n products (Fernando, SIAM J. Matrix Anal. Appl. 18,
1997; Parlett & Dhillon, "Fernando's solution to Wilkinson's problem", Linear Algebra Appl. 267, 1997).
"""

from __future__ import annotations

import math

from fastcurv.simd import any_lane, fma, reciprocal, reciprocal_sqrt, where

#: the most by which an eigenvalue is corrected, in eps times the largest
CHANGE = 100.0
#: eigenvalues of more than so much of the largest are those that QL is furthest from
OUTER = 0.7


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


def factorise(d, e, n, shifts, factors, limits):
    """T - shift = L diag(p) L' = U diag(q) U' of two shifts, with subdiagonal `lower` of L, superdiagonal `upper` of U.

    factors : lower, upper, p, q, of two shifts at once, from both ends, because each pivot waits for the one before.
    """
    lower, upper, p, q = factors
    lower_1, lower_2, upper_1, upper_2 = lower[0], lower[1], upper[0], upper[1]
    p_1, p_2, q_1, q_2 = p[0], p[1], q[0], q[1]
    shift_1, shift_2 = shifts
    top_1, top_2 = pivot(d[0] - shift_1, limits), pivot(d[0] - shift_2, limits)
    end_1, end_2 = pivot(d[n - 1] - shift_1, limits), pivot(d[n - 1] - shift_2, limits)
    p_1[0], p_2[0], q_1[n - 1], q_2[n - 1] = top_1, top_2, end_1, end_2
    for i in range(n - 1):  # half of the quotients by the divider, half by what multiplies meanwhile
        k = n - 2 - i
        lower_1[i], top_1 = eliminated(e[i], e[i] * reciprocal(top_1), d[i + 1] - shift_1, limits)
        upper_1[k], end_1 = eliminated(e[k], e[k] / end_1, d[k] - shift_1, limits)
        lower_2[i], top_2 = eliminated(e[i], e[i] * reciprocal(top_2), d[i + 1] - shift_2, limits)
        upper_2[k], end_2 = eliminated(e[k], e[k] / end_2, d[k] - shift_2, limits)
        p_1[i + 1], p_2[i + 1], q_1[k], q_2[k] = top_1, top_2, end_1, end_2


def eliminated(e_i, factor, diagonal, limits):
    """The factor e_i / pivot, and the pivot of the next row."""
    return factor, pivot(fma(-e_i, factor, diagonal), limits)


def represent(d, e, n, shift, relative, limits):
    """T - shift = L diag(pivots) L', and products e_i² / pivot_i."""
    pivots, products = relative
    here = pivot(d[0] - shift, limits)
    for i in range(n - 1):
        product = (e[i] * e[i]) / here
        pivots[i], products[i] = here, product
        here = pivot((d[i + 1] - shift) - product, limits)
    pivots[n - 1], products[n - 1] = here, here - here


def factorise_relative(relative, e, n, shifts, factors, chosen, limits):
    """The same of L diag(pivots) L' where `chosen`, but for p, which the pivots have to be added to.

    By stationary and progressive quotient differences, which change pivots and couplings by what rounds each of them:
    small eigenvalues of what `represent` made definite are found to their own precision (Dhillon & Parlett, "Multiple
    representations to compute orthogonal eigenvectors of symmetric tridiagonal matrices", Linear Algebra Appl. 387,
    2004).
    """
    pivots, products = relative
    lower, upper, p, q = factors
    lower_1, lower_2, upper_1, upper_2 = lower[0], lower[1], upper[0], upper[1]
    p_1, p_2, q_1, q_2 = p[0], p[1], q[0], q[1]
    shift_1, shift_2 = shifts
    top_1, top_2, end_1, end_2 = -shift_1, -shift_2, pivots[n - 1] - shift_1, pivots[n - 1] - shift_2
    p_1[0], q_1[n - 1] = where(chosen, top_1, p_1[0]), where(chosen, end_1, q_1[n - 1])
    p_2[0], q_2[n - 1] = where(chosen, top_2, p_2[0]), where(chosen, end_2, q_2[n - 1])
    for i in range(n - 1):
        k = n - 2 - i
        factor, top_1 = _from_above(pivots[i], products[i], e[i], top_1, shift_1, limits)
        lower_1[i], p_1[i + 1] = where(chosen, factor, lower_1[i]), where(chosen, top_1, p_1[i + 1])
        factor, end_1 = _from_below(pivots[k], products[k], e[k], end_1, shift_1, limits)
        upper_1[k], q_1[k] = where(chosen, factor, upper_1[k]), where(chosen, end_1, q_1[k])
        factor, top_2 = _from_above(pivots[i], products[i], e[i], top_2, shift_2, limits)
        lower_2[i], p_2[i + 1] = where(chosen, factor, lower_2[i]), where(chosen, top_2, p_2[i + 1])
        factor, end_2 = _from_below(pivots[k], products[k], e[k], end_2, shift_2, limits)
        upper_2[k], q_2[k] = where(chosen, factor, upper_2[k]), where(chosen, end_2, q_2[k])


def _from_above(here, product, e_i, top, shift, limits):
    """The factor of a row, and what it leaves to the next."""
    inverse = reciprocal(pivot(here + top, limits))
    return e_i * inverse, fma(product * top, inverse, -shift)


def _from_below(here, product, e_k, end, shift, limits):
    """The factor of a row, and what the row below leaves to it: nothing changes where there is no coupling."""
    end = pivot(end, limits)
    inverse = 1.0 / (product + end)
    return e_k * inverse, fma(here * end, inverse, -shift)


def pivot(x, limits):
    """x, unless it vanishes: then a number so small that it does not matter."""
    return x + limits.pivot


def improve_two(d, n, blocks, own, shifts, factors, limits):
    """The rows where two factorisations are joined, and their shifts corrected by what is left over there.

    Those are the rows of their blocks where gamma = p + q - (d - shift) is smallest. Of the vector z that is 1 there,
    shift + gamma / z'z is the Rayleigh quotient; z'z is found from the ends inwards.
    """
    lower, upper, p, q = factors
    lower_1, lower_2, upper_1, upper_2 = lower[0], lower[1], upper[0], upper[1]
    p_1, p_2, q_1, q_2 = p[0], p[1], q[0], q[1]
    own_1, own_2 = own
    shift_1, shift_2 = shifts
    zero = shift_1 - shift_1
    one = zero + 1.0
    least_1 = least_2 = zero + math.inf
    row_1 = row_2 = gamma_1 = gamma_2 = zero
    for i in range(n):
        here_1, here_2 = (p_1[i] + q_1[i]) - (d[i] - shift_1), (p_2[i] + q_2[i]) - (d[i] - shift_2)
        smaller_1 = (abs(here_1) < least_1) & (blocks[i] == own_1)
        smaller_2 = (abs(here_2) < least_2) & (blocks[i] == own_2)
        least_1, least_2 = where(smaller_1, abs(here_1), least_1), where(smaller_2, abs(here_2), least_2)
        row_1, row_2 = where(smaller_1, i, row_1), where(smaller_2, i, row_2)
        gamma_1, gamma_2 = where(smaller_1, here_1, gamma_1), where(smaller_2, here_2, gamma_2)
    top_1 = top_2 = bottom_1 = bottom_2 = one
    for i in range(n - 1):
        k = n - 2 - i
        top_1 = where(row_1 > i, fma(lower_1[i] * lower_1[i], top_1, 1.0), top_1)
        bottom_1 = where(row_1 <= k, fma(upper_1[k] * upper_1[k], bottom_1, 1.0), bottom_1)
        top_2 = where(row_2 > i, fma(lower_2[i] * lower_2[i], top_2, 1.0), top_2)
        bottom_2 = where(row_2 <= k, fma(upper_2[k] * upper_2[k], bottom_2, 1.0), bottom_2)
    square_1, square_2 = top_1 + bottom_1 - 1.0, top_2 + bottom_2 - 1.0
    better_1 = shift_1 + where(square_1 * limits.square < 1.0, gamma_1 * reciprocal(square_1), 0.0)
    better_2 = shift_2 + where(square_2 * limits.square < 1.0, gamma_2 * reciprocal(square_2), 0.0)
    return (row_1, row_2), (better_1, better_2)


def correct_outer(d, e, w, n, blocks, block, factors, limits):
    """Correct the outer ones of the eigenvalues w, ascending, which belong to `block`, from both ends inwards.

    They are in no order then, but for rounding.
    """
    largest = max(abs(w[0]), abs(w[n - 1]))
    least, most = OUTER * largest, 2.0 * CHANGE * limits.half_ulp * largest
    for k in range((n + 1) // 2):
        other = n - 1 - k
        shifts = w[k], w[other]
        if not any_lane(max(abs(shifts[0]), abs(shifts[1])) > least):
            break
        factorise(d, e, n, shifts, factors, limits)
        _, better = improve_two(d, n, blocks, (block[k], block[other]), shifts, factors, limits)
        w[k] = where((abs(shifts[0]) > least) & (abs(better[0] - shifts[0]) <= most), better[0], shifts[0])
        w[other] = where((abs(shifts[1]) > least) & (abs(better[1] - shifts[1]) <= most), better[1], shifts[1])


def twisted_vectors(z_1, z_2, d, n, rows, shifts, factors, limits):
    """Vectors of length one, which may be the same, outwards from `rows` by their two factorisations.

    For each z'z of the vector z that is 1 in its row, gamma / |z|, and 1 / |z|.
    """
    lower, upper, p, q = factors
    lower_1, lower_2, upper_1, upper_2 = lower[0], lower[1], upper[0], upper[1]
    p_1, p_2, q_1, q_2 = p[0], p[1], q[0], q[1]
    row_1, row_2 = rows
    shift_1, shift_2 = shifts
    one = row_1 - row_1 + 1.0
    last_1, last_2 = row_1 == n - 1, row_2 == n - 1
    x_1, x_2 = where(last_1, one, 0.0), where(last_2, one, 0.0)
    gamma_1 = where(last_1, (p_1[n - 1] + q_1[n - 1]) - (d[n - 1] - shift_1), 0.0)
    gamma_2 = where(last_2, (p_2[n - 1] + q_2[n - 1]) - (d[n - 1] - shift_2), 0.0)
    z_1[n - 1], z_2[n - 1] = x_1, x_2
    for i in range(n - 2, -1, -1):
        here_1, here_2 = row_1 == i, row_2 == i
        x_1, x_2 = where(here_1, one, -lower_1[i] * x_1), where(here_2, one, -lower_2[i] * x_2)
        gamma_1 = where(here_1, (p_1[i] + q_1[i]) - (d[i] - shift_1), gamma_1)
        gamma_2 = where(here_2, (p_2[i] + q_2[i]) - (d[i] - shift_2), gamma_2)
        z_1[i], z_2[i] = x_1, x_2
    square_1, square_2 = x_1 * x_1, x_2 * x_2
    for i in range(1, n):
        x_1, x_2 = where(row_1 < i, -upper_1[i - 1] * x_1, z_1[i]), where(row_2 < i, -upper_2[i - 1] * x_2, z_2[i])
        z_1[i], z_2[i] = x_1, x_2
        square_1, square_2 = fma(x_1, x_1, square_1), fma(x_2, x_2, square_2)
    inverse_1, inverse_2 = reciprocal_sqrt(square_1), reciprocal_sqrt(square_2)
    for i in range(n):  # loads before stores
        x_1, x_2 = z_1[i] * inverse_1, z_2[i] * inverse_2
        z_1[i] = where(abs(x_1) < limits.entry, 0.0, x_1)
        z_2[i] = where(abs(x_2) < limits.entry, 0.0, x_2)
    return (square_1, gamma_1 * inverse_1, inverse_1), (square_2, gamma_2 * inverse_2, inverse_2)

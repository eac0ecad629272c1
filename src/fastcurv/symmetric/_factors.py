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
#: in eps times the largest: corrections of more than this are checked by counting eigenvalues
SURE = 6.0
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


def factorise(d, squares, n, shifts, factors, limits):
    """T - shift = L diag(p) L' = U diag(q) U' of two shifts; `squares` are those of couplings.

    factors : 1 / p and 1 / q, of which the last, or the first, is not there, p, q; of two shifts at once, from both
        ends, because each pivot waits for the one before. L[i+1, i] = e[i] / p[i], U[i, i+1] = e[i] / q[i+1].
    """
    above, below, p, q = factors
    above_1, above_2, below_1, below_2 = above[0], above[1], below[0], below[1]
    p_1, p_2, q_1, q_2 = p[0], p[1], q[0], q[1]
    shift_1, shift_2 = shifts
    top_1, top_2 = pivot(d[0] - shift_1, limits), pivot(d[0] - shift_2, limits)
    end_1, end_2 = pivot(d[n - 1] - shift_1, limits), pivot(d[n - 1] - shift_2, limits)
    p_1[0], p_2[0], q_1[n - 1], q_2[n - 1] = top_1, top_2, end_1, end_2
    for i in range(n - 1):  # half of the quotients by the divider, half by what multiplies meanwhile
        k = n - 2 - i
        above_1[i], below_1[k] = inverse, other = reciprocal(top_1), 1.0 / end_1
        top_1 = pivot(fma(-squares[i], inverse, d[i + 1] - shift_1), limits)
        end_1 = pivot(fma(-squares[k], other, d[k] - shift_1), limits)
        above_2[i], below_2[k] = inverse, other = reciprocal(top_2), 1.0 / end_2
        top_2 = pivot(fma(-squares[i], inverse, d[i + 1] - shift_2), limits)
        end_2 = pivot(fma(-squares[k], other, d[k] - shift_2), limits)
        p_1[i + 1], p_2[i + 1], q_1[k], q_2[k] = top_1, top_2, end_1, end_2


def represent(d, e, n, shift, relative, limits):
    """T - shift = L diag(pivots) L', and products e_i² / pivot_i."""
    pivots, products = relative
    here = pivot(d[0] - shift, limits)
    for i in range(n - 1):
        product = (e[i] * e[i]) / here
        pivots[i], products[i] = here, product
        here = pivot((d[i + 1] - shift) - product, limits)
    pivots[n - 1], products[n - 1] = here, here - here


def factorise_relative(relative, n, shifts, factors, chosen, limits):
    """The same of L diag(pivots) L' where `chosen`, but for p, which the pivots have to be added to.

    By stationary and progressive quotient differences, which change pivots and couplings by what rounds each of them:
    small eigenvalues of what `represent` made definite are found to their own precision (Dhillon & Parlett, "Multiple
    representations to compute orthogonal eigenvectors of symmetric tridiagonal matrices", Linear Algebra Appl. 387,
    2004).
    """
    pivots, products = relative
    above, below, p, q = factors
    above_1, above_2, below_1, below_2 = above[0], above[1], below[0], below[1]
    p_1, p_2, q_1, q_2 = p[0], p[1], q[0], q[1]
    shift_1, shift_2 = shifts
    top_1, top_2, end_1, end_2 = -shift_1, -shift_2, pivots[n - 1] - shift_1, pivots[n - 1] - shift_2
    p_1[0], q_1[n - 1] = where(chosen, top_1, p_1[0]), where(chosen, end_1, q_1[n - 1])
    p_2[0], q_2[n - 1] = where(chosen, top_2, p_2[0]), where(chosen, end_2, q_2[n - 1])
    for i in range(n - 1):
        k = n - 2 - i
        inverse, top_1 = _from_above(pivots[i], products[i], top_1, shift_1, limits)
        above_1[i], p_1[i + 1] = where(chosen, inverse, above_1[i]), where(chosen, top_1, p_1[i + 1])
        inverse, end_1 = _from_below(pivots[k], products[k], end_1, shift_1, limits)
        below_1[k], q_1[k] = where(chosen, inverse, below_1[k]), where(chosen, end_1, q_1[k])
        inverse, top_2 = _from_above(pivots[i], products[i], top_2, shift_2, limits)
        above_2[i], p_2[i + 1] = where(chosen, inverse, above_2[i]), where(chosen, top_2, p_2[i + 1])
        inverse, end_2 = _from_below(pivots[k], products[k], end_2, shift_2, limits)
        below_2[k], q_2[k] = where(chosen, inverse, below_2[k]), where(chosen, end_2, q_2[k])


def _from_above(here, product, top, shift, limits):
    """1 / p of a row, and what it leaves to the next."""
    inverse = reciprocal(pivot(here + top, limits))
    return inverse, fma(product * top, inverse, -shift)


def _from_below(here, product, end, shift, limits):
    """1 / q of the row below, and what that leaves to a row: nothing changes where there is no coupling."""
    end = pivot(end, limits)
    inverse = 1.0 / (product + end)
    return inverse, fma(here * end, inverse, -shift)


def pivot(x, limits):
    """x, unless it vanishes: then a number so small that it does not matter."""
    return x + limits.pivot


def improve_two(d, squares, n, blocks, own, shifts, factors, limits):
    """The rows where two factorisations are joined, gamma, and what shifts have to be changed by to be eigenvalues.

    Those are the rows of their blocks where gamma = p + q - (d - shift) is smallest. Of the vector z that is 1 there,
    shift + gamma / z'z is the Rayleigh quotient; z'z is found from the ends inwards: s[i] z[i]² is the square sum of
    z[:i+1], and -s[i] the derivative of p[i]. Sums of s / p up to each row, which tell how z changes with the shift,
    take the places of p, and those of its like from below of q.
    """
    above, below, p, q = factors
    above_1, above_2, below_1, below_2 = above[0], above[1], below[0], below[1]
    p_1, p_2, q_1, q_2 = p[0], p[1], q[0], q[1]
    own_1, own_2 = own
    shift_1, shift_2 = shifts
    zero = d[0] - d[0]
    one = zero + 1.0
    least_1 = least_2 = zero + math.inf
    row_1 = row_2 = zero
    gamma_1 = gamma_2 = zero + math.nan  # where no row of the block has a number
    for i in range(n):
        here_1, here_2 = (p_1[i] + q_1[i]) - (d[i] - shift_1), (p_2[i] + q_2[i]) - (d[i] - shift_2)
        smaller_1 = (abs(here_1) < least_1) & (blocks[i] == own_1)
        smaller_2 = (abs(here_2) < least_2) & (blocks[i] == own_2)
        least_1, least_2 = where(smaller_1, abs(here_1), least_1), where(smaller_2, abs(here_2), least_2)
        row_1, row_2 = where(smaller_1, i, row_1), where(smaller_2, i, row_2)
        gamma_1, gamma_2 = where(smaller_1, here_1, gamma_1), where(smaller_2, here_2, gamma_2)
    top_1 = top_2 = bottom_1 = bottom_2 = one
    p_1[0] = p_2[0] = q_1[n - 1] = q_2[n - 1] = sum_1 = sum_2 = rest_1 = rest_2 = zero
    for i in range(n - 1):
        k = n - 2 - i
        is_above_1, is_below_1, is_above_2, is_below_2 = row_1 > i, row_1 <= k, row_2 > i, row_2 <= k
        top_1, sum_1 = _inwards(is_above_1, squares[i], above_1[i], top_1, sum_1)
        bottom_1, rest_1 = _inwards(is_below_1, squares[k], below_1[k], bottom_1, rest_1)
        top_2, sum_2 = _inwards(is_above_2, squares[i], above_2[i], top_2, sum_2)
        bottom_2, rest_2 = _inwards(is_below_2, squares[k], below_2[k], bottom_2, rest_2)
        p_1[i + 1], p_2[i + 1], q_1[k], q_2[k] = sum_1, sum_2, rest_1, rest_2
    square_1, square_2 = top_1 + bottom_1 - 1.0, top_2 + bottom_2 - 1.0
    change_1 = gamma_1 * where(square_1 * limits.square < 1.0, reciprocal(square_1), 0.0)
    change_2 = gamma_2 * where(square_2 * limits.square < 1.0, reciprocal(square_2), 0.0)
    return (row_1, row_2), (gamma_1, gamma_2), (change_1, change_2)


def _inwards(is_outside, square, inverse, s, total):
    """Go on to the next row: s and the sum of s / p, where the row is still outside the one where factors meet."""
    quotient = inverse * s
    return where(is_outside, fma(square * inverse, quotient, 1.0), s), where(is_outside, total + quotient, total)


def forget_slopes(n, chosen, factors):
    """Let `twisted_vectors` change no entry where that is chosen."""
    _, _, p, q = factors
    for side in range(2):
        p_i, q_i = p[side], q[side]
        for i in range(n):
            p_i[i], q_i[i] = where(chosen[side], 0.0, p_i[i]), where(chosen[side], 0.0, q_i[i])


def correct_outer(d, squares, w, n, blocks, block, factors, limits):
    """Correct the outer ones of the eigenvalues w, ascending, which belong to `block`, from both ends inwards.

    A factorisation may give a neighbour's vector instead. Where a correction is more than SURE, eigenvalues are counted
    at SURE before its end, and it is dropped if it leads past its own. They are in no order then, but for rounding.
    """
    largest = max(abs(w[0]), abs(w[n - 1]))
    unit = 2.0 * limits.half_ulp * largest
    least, most, sure = OUTER * largest, CHANGE * unit, SURE * unit
    for k in range((n + 1) // 2):
        other = n - 1 - k
        first, second = w[k], w[other]
        if not any_lane(max(abs(first), abs(second)) > least):
            break
        factorise(d, squares, n, (first, second), factors, limits)
        own = block[k], block[other]
        _, _, (change_1, change_2) = improve_two(d, squares, n, blocks, own, (first, second), factors, limits)
        change_1 = where((abs(first) > least) & (abs(change_1) <= most), change_1, 0.0)
        change_2 = where((abs(second) > least) & (abs(change_2) <= most), change_2, 0.0)
        if any_lane(max(abs(change_1), abs(change_2)) > sure):
            before_1 = first + (change_1 - math.copysign(sure, change_1))
            before_2 = second + (change_2 - math.copysign(sure, change_2))
            factorise(d, squares, n, (before_1, before_2), factors, limits)
            below_1, below_2 = _count_below(factors, n)
            change_1 = where(_passes(change_1, below_1, k, sure), 0.0, change_1)
            change_2 = where(_passes(change_2, below_2, other, sure), 0.0, change_2)
        w[k], w[other] = first + change_1, second + change_2


def _count_below(factors, n):
    """How many eigenvalues are less than the shifts of the last `factorise`: its negative pivots (Sylvester's law)."""
    p_1, p_2 = factors[2][0], factors[2][1]
    count_1 = count_2 = p_1[0] - p_1[0]
    for i in range(n):
        count_1, count_2 = where(p_1[i] < 0.0, count_1 + 1.0, count_1), where(p_2[i] < 0.0, count_2 + 1.0, count_2)
    return count_1, count_2


def _passes(change, below, k, sure):
    """Whether a change of more than `sure` leads past eigenvalue k; `below` are less than the point `sure` short of its
    end.
    """
    is_upwards, is_less = change > 0.0, below > k
    return (abs(change) > sure) & ((is_upwards & is_less) | ~(is_upwards | is_less))


def twisted_vectors(z_1, z_2, e, n, rows, changes, factors, limits):
    """Vectors of length one, which may be the same, outwards from `rows` by their two factorisations.

    They are those of shifts that are changed so little that the first order tells what becomes of them: of factors
    e / p, by the derivative of p, and so of entries, by what `improve_two` summed up. For each z'z of the vector z that
    is 1 in its row; and the most by which an entry was changed, relative to itself.
    """
    above, below, p, q = factors
    above_1, above_2, below_1, below_2 = above[0], above[1], below[0], below[1]
    p_1, p_2, q_1, q_2 = p[0], p[1], q[0], q[1]
    row_1, row_2 = rows
    change_1, change_2 = changes
    zero = row_1 - row_1
    one = zero + 1.0
    x_1, x_2 = where(row_1 == n - 1, one, 0.0), where(row_2 == n - 1, one, 0.0)
    z_1[n - 1], z_2[n - 1] = x_1, x_2
    for i in range(n - 2, -1, -1):
        x_1 = where(row_1 == i, one, -(e[i] * above_1[i]) * x_1)
        x_2 = where(row_2 == i, one, -(e[i] * above_2[i]) * x_2)
        z_1[i], z_2[i] = x_1, x_2
    total_1, total_2 = p_1[n - 1] + q_1[0], p_2[n - 1] + q_2[0]
    square_1 = square_2 = most_1 = most_2 = before_1 = before_2 = zero
    for i in range(n):
        x_1, x_2 = z_1[i], z_2[i]
        if i > 0:
            x_1 = where(row_1 < i, -(e[i - 1] * below_1[i - 1]) * before_1, x_1)
            x_2 = where(row_2 < i, -(e[i - 1] * below_2[i - 1]) * before_2, x_2)
        before_1, before_2 = x_1, x_2
        slope_1, slope_2 = total_1 - (p_1[i] + q_1[i]), total_2 - (p_2[i] + q_2[i])
        most_1, most_2 = max(most_1, abs(slope_1)), max(most_2, abs(slope_2))
        y_1, y_2 = x_1 * fma(change_1, slope_1, 1.0), x_2 * fma(change_2, slope_2, 1.0)
        z_1[i], z_2[i] = y_1, y_2
        square_1, square_2 = fma(y_1, y_1, square_1), fma(y_2, y_2, square_2)
    inverse_1, inverse_2 = reciprocal_sqrt(square_1), reciprocal_sqrt(square_2)
    for i in range(n):  # loads before stores
        x_1, x_2 = z_1[i] * inverse_1, z_2[i] * inverse_2
        z_1[i] = where(abs(x_1) < limits.entry, 0.0, x_1)
        z_2[i] = where(abs(x_2) < limits.entry, 0.0, x_2)
    return (square_1, square_2), (abs(change_1) * most_1, abs(change_2) * most_2)

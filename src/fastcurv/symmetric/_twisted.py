"""Eigenvectors of symmetric tridiagonal matrices by twisted factorisations, one matrix in each lane.

T - lambda is factored from both ends, and the factors are joined at the row r where what is left over, gamma, is
smallest: a vector z with (T - lambda) z = gamma e_r then takes n products (Fernando, SIAM J. Matrix Anal. Appl. 18,
1997; Parlett & Dhillon, "Fernando's solution to Wilkinson's problem", Linear Algebra Appl. 267, 1997). Vectors of
eigenvalues that lie close together are made orthogonal; those further apart are so by themselves, to
eps |T| / |lambda - mu|. What this cannot separate, eigenvalues of one block that are equal to rounding, is told.
"""

from __future__ import annotations

import math

from fastcurv.simd import any_lane, fma, load, reciprocal, reciprocal_sqrt, splat, spread, store, where

#: eigenvalues closer than this, relative to the largest, have vectors that are orthogonalised
NEAR = 1 / 16
#: the most that gamma / |z|, and the correction of an eigenvalue, may be, in eps times the largest eigenvalue
RESIDUAL, CHANGE = 4.0, 100.0
#: what must be left of a vector's square when the others are taken out, and what once they are taken out again, which
#: they are where less than MOST is left: what others lack of being orthogonal to each other comes in with what is taken
LEAST, MOST = 0.05, 0.95
#: from here on reflections change the length of vectors by more than 2 eps
LONG = 32


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
    """x; where it vanishes, a number so small that it does not matter."""
    return where(abs(x) < limits.pivot, limits.pivot, x)


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
    zero = one - one
    x = where(row == n - 1, one, zero)
    z[n - 1] = x
    for i in range(n - 2, -1, -1):
        x = where(row > i, -lower[i] * x, where(row == i, one, zero))
        z[i] = x
    x = z[0]
    square = x * x
    for i in range(1, n):
        x = where(row < i, -upper[i - 1] * x, z[i])
        z[i] = x
        square = fma(x, x, square)
    return square


def take_out_of_two(z, w, start, k, n, first, apart):
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
        p0, q0 = where(w0 > x_start, p0, 0.0), where(w0 > y_start, q0, 0.0)
        p1, q1 = where((w1 > x_start) & (j1 < j0), p1, 0.0), where((w1 > y_start) & (j1 < j0), q1, 0.0)
        p2, q2 = where((w2 > x_start) & (j2 < j1), p2, 0.0), where((w2 > y_start) & (j2 < j1), q2, 0.0)
        p3, q3 = where((w3 > x_start) & (j3 < j2), p3, 0.0), where((w3 > y_start) & (j3 < j2), q3, 0.0)
        for i in range(first, first + n * apart, apart):
            z0_i, z1_i, z2_i, z3_i = z0[i], z1[i], z2[i], z3[i]
            x_i = fma(-p0, z0_i, fma(-p1, z1_i, fma(-p2, z2_i, fma(-p3, z3_i, x[i]))))
            y[i] = fma(-q0, z0_i, fma(-q1, z1_i, fma(-q2, z2_i, fma(-q3, z3_i, y[i]))))
            x[i] = x_i


def take_out(z, k, n, w, start, active):
    """Make z[k] orthogonal to z[j], j < k, where `active` and w[j] > start."""
    x = z[k]
    zero = start - start
    for j in range(k - 1, -1, -1):
        near = active & (w[j] > start)
        if not any_lane(near):
            break
        z_j, product = z[j], zero
        for i in range(n):
            product = fma(z_j[i], x[i], product)
        product = where(near, product, 0.0)
        for i in range(n):
            x[i] = fma(-product, z_j[i], x[i])


def square_sum(x, n):
    """x'x."""
    square = x[0] * x[0]
    for i in range(1, n):
        square = fma(x[i], x[i], square)
    return square


def shorten(x, n, factor):
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
    same, apart : z, w and p[0] as vectors of fewer lanes, of which `apart` make one of theirs
    """
    largest = max(abs(w[0]), abs(w[n - 1]))
    unit, reach = 2.0 * limits.half_ulp * largest, NEAR * largest
    z_too, w_too, start_too = same
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
        good = _vector(z, k, n, w, shift_1, gamma_1, row_1, lower[0], upper[0], good, unit, limits)
        if other > k:
            good = _vector(z, other, n, w, shift_2, gamma_2, row_2, lower[1], upper[1], good, unit, limits)
        start = p[0]
        start[0], start[1] = where(good, w[k] - reach, math.inf), where(good, w[other] - reach, math.inf)
        if k > 0 and any_lane(w[k - 1] > start[0]):
            for first in range(apart):
                take_out_of_two(z_too, w_too, start_too, k, n, first, apart)
            good = _orthogonal(z, k, n, w, start[0], good, limits)
        if other > k and any_lane(w[k] > start[1]):
            near = good & (w[k] > start[1])
            x, y, product = z[k], z[other], unit - unit
            for i in range(n):
                product = fma(x[i], y[i], product)
            product = where(near, product, 0.0)
            for i in range(n):
                y[i] = fma(-product, x[i], y[i])
            good = _orthogonal(z, other, n, w, start[1], good, limits)
    return good


def _vector(z, k, n, w, shift, gamma, row, lower, upper, good, unit, limits):
    """The eigenvector z[k] and w[k]; lanes that are good."""
    x, value = z[k], w[k]
    square = twisted_vector(x, n, row, lower, upper)
    inverse = reciprocal_sqrt(square)
    gamma = gamma * inverse
    good = good & (square * limits.square < 1.0)  # it did not overflow
    good = good & (abs(gamma) <= RESIDUAL * unit) & (abs(shift - value) <= CHANGE * unit)
    for i in range(n):
        x_i = x[i] * inverse
        x[i] = where(abs(x_i) < limits.entry, 0.0, x_i)
    better = fma(gamma, inverse, shift)
    better = where(abs(better - value) > 0.125 * unit, better, value)
    if k > 0:
        better = max(w[k - 1], better)
    w[k] = where(good, better, value)
    return good


def _orthogonal(z, k, n, w, start, good, limits):
    """Whether enough is left of z[k], without what it had of z[j], j < k, w[j] > start; once more where it is little.

    Where it is good, z[k] has length one again.
    """
    x = z[k]
    close = good & (w[k - 1] > start)
    left = square_sum(x, n)
    good = good & (~close | (left > LEAST))
    again = good & close & (left < MOST)
    if any_lane(again):
        shorten(x, n, where(again, reciprocal_sqrt(where(again, left, 1.0)), 1.0))
        take_out(z, k, n, w, start, again)
        left = where(again, square_sum(x, n), left)
        good = good & (~again | (left > MOST))
    changed = good & close & (abs(left - 1.0) > 8.0 * limits.half_ulp)
    if any_lane(changed):
        shorten(x, n, where(changed, reciprocal_sqrt(where(changed, left, 1.0)), 1.0))
    return good


def reflect_lanes(a, z, n, first, apart):
    """Q z for every row of z, Q the reflectors that `tridiagonalise` left in `a`, in some of the lanes.

    Their numbers of column c are at first + c apart. On four rows of z at a time, which may be the same, by two
    reflectors u and v: z - g u - h v with g = tau_u u'z and h = tau_v v'(z - g u). The products with the next two are
    formed in the same pass: each element is loaded and stored once for both. u'v is kept beside the diagonal.
    """
    zero = a[0, 0] - a[0, 0]
    for i in range(2, n - 1, 2):
        u, v, product = a[i], a[i + 1], zero
        for c in range(first, first + i * apart, apart):
            product = fma(u[c], v[c], product)
        u[first + (i + 1) * apart] = product
    last = first + (n - 1) * apart
    for k in range(0, n, 4):
        z0, z1, z2, z3 = z[k], z[min(k + 1, n - 1)], z[min(k + 2, n - 1)], z[min(k + 3, n - 1)]
        u, v = a[2], a[min(3, n - 1)]
        third = first + 2 * apart
        p0, q0 = _products(u, v, z0, first, third, apart, z0[first])
        p1, q1 = _products(u, v, z1, first, third, apart, z1[first])
        p2, q2 = _products(u, v, z2, first, third, apart, z2[first])
        p3, q3 = _products(u, v, z3, first, third, apart, z3[first])
        for i in range(2, n - 1, 2):
            u, v, next_u, next_v = a[i], a[i + 1], a[min(i + 2, n - 1)], a[min(i + 3, n - 1)]
            end = first + i * apart
            tau_u, tau_v, product, v_end = u[end], v[end + apart], u[end + apart], v[end]
            g0, g1, g2, g3 = tau_u * p0, tau_u * p1, tau_u * p2, tau_u * p3
            h0, h1 = tau_v * fma(-product, g0, q0), tau_v * fma(-product, g1, q1)
            h2, h3 = tau_v * fma(-product, g2, q2), tau_v * fma(-product, g3, q3)
            x0, x1, x2, x3 = z0[end], z1[end], z2[end], z3[end]
            x0, x1, x2, x3 = fma(-h0, v_end, x0), fma(-h1, v_end, x1), fma(-h2, v_end, x2), fma(-h3, v_end, x3)
            beyond = min(end + 2 * apart, last)
            p0, q0 = _products(next_u, next_v, z0, end, beyond, apart, x0)
            p1, q1 = _products(next_u, next_v, z1, end, beyond, apart, x1)
            p2, q2 = _products(next_u, next_v, z2, end, beyond, apart, x2)
            p3, q3 = _products(next_u, next_v, z3, end, beyond, apart, x3)
            z0[end], z1[end], z2[end], z3[end] = x0, x1, x2, x3
            for c in range(first, end, apart):
                u_c, v_c = u[c], v[c]
                x0, x1 = fma(-h0, v_c, fma(-g0, u_c, z0[c])), fma(-h1, v_c, fma(-g1, u_c, z1[c]))
                x2, x3 = fma(-h2, v_c, fma(-g2, u_c, z2[c])), fma(-h3, v_c, fma(-g3, u_c, z3[c]))
                z0[c], z1[c], z2[c], z3[c] = x0, x1, x2, x3
                u_c, v_c = next_u[c], next_v[c]
                p0, p1, p2, p3 = fma(x0, u_c, p0), fma(x1, u_c, p1), fma(x2, u_c, p2), fma(x3, u_c, p3)
                q0, q1, q2, q3 = fma(x0, v_c, q0), fma(x1, v_c, q1), fma(x2, v_c, q2), fma(x3, v_c, q3)
        if n % 2 == 1:  # the last reflector is alone
            u = a[n - 1]
            tau_u = u[last]
            g0, g1, g2, g3 = tau_u * p0, tau_u * p1, tau_u * p2, tau_u * p3
            for c in range(first, last, apart):
                u_c = u[c]
                x0, x1, x2, x3 = fma(-g0, u_c, z0[c]), fma(-g1, u_c, z1[c]), fma(-g2, u_c, z2[c]), fma(-g3, u_c, z3[c])
                z0[c], z1[c], z2[c], z3[c] = x0, x1, x2, x3
    if n > LONG:
        for k in range(n):
            _make_unit(z[k], n, first, apart)


def _products(u, v, z, end, beyond, apart, x):
    """What the columns from `end` on, of which the first is x, add to u'z and v'z."""
    y = z[end + apart]
    return fma(u[end + apart], y, u[end] * x), fma(v[beyond], z[beyond], fma(v[end + apart], y, v[end] * x))


def _make_unit(x, n, first, apart):
    """A Newton step to unit length: reflections change it by several eps."""
    zero = x[first] - x[first]
    square, end = zero, first + n * apart
    for start in range(first, end, 8 * apart):  # a sum of short sums: its rounding is what remains
        part = zero
        for c in range(start, min(start + 8 * apart, end), apart):
            part = fma(x[c], x[c], part)
        square = square + part
    missing = fma(square, -0.5, 0.5)
    for c in range(first, end, apart):
        x[c] = fma(missing, x[c], x[c])


def reflect_matrix(z, start, n, stride, columns, reflectors, wide, middle, narrow):
    """Q Z of one matrix, Z[i, k] at start + i stride + k, by strips of columns as wide as registers allow.

    Row i of Q's reflectors begins at reflectors + i stride; its element i + 1 is overwritten by u[i-1]'u[i].
    """
    for i in range(3, n, 2):
        u, before, product = reflectors + i * stride, reflectors + (i - 1) * stride, splat(0.0, load(z, start, 1))
        for k in range(i - 1):  # in the order of `reflect_lanes`, for the same bits
            product = fma(load(z, before + k, 1), load(z, u + k, 1), product)
        store(z, u + i + 1, product)
    for k in range(0, columns - wide + 1, wide):
        reflect_strip(z, start + k, n, stride, reflectors, wide)
    k = columns - columns % wide
    if columns - k >= middle:
        reflect_strip(z, start + k, n, stride, reflectors, middle)
        k += middle
    if columns - k >= narrow:
        reflect_strip(z, start + k, n, stride, reflectors, narrow)


def reflect_strip(z, start, n, stride, reflectors, lanes):
    """The same for some columns, `lanes` of them, by two reflectors at a time.

    The products with the next two are formed while they are applied: each element is loaded and stored once for both.
    """
    u = reflectors + 2 * stride
    x_0, x_1, x_2 = load(z, start, lanes), load(z, start + stride, lanes), load(z, start + 2 * stride, lanes)
    p = fma(spread(z, u + 1, x_1), x_1, spread(z, u, x_0) * x_0)
    u = reflectors + min(3, n - 1) * stride
    q = fma(spread(z, u + 2, x_2), x_2, fma(spread(z, u + 1, x_1), x_1, spread(z, u, x_0) * x_0))
    for i in range(2, n - 1, 2):
        u, v = reflectors + i * stride, reflectors + (i + 1) * stride
        next_u, next_v = reflectors + min(i + 2, n - 1) * stride, reflectors + min(i + 3, n - 1) * stride
        p = spread(z, u + i, p) * p
        q = spread(z, v + i + 1, q) * fma(-spread(z, v + i + 2, p), p, q)
        place = start + i * stride
        x = fma(-q, spread(z, v + i, q), load(z, place, lanes))  # reflector i does not reach its row
        store(z, place, x)
        y, w = load(z, place + stride, lanes), load(z, start + min(i + 2, n - 1) * stride, lanes)
        g, h = p, q
        p = fma(spread(z, next_u + i + 1, y), y, spread(z, next_u + i, x) * x)
        q = fma(spread(z, next_v + i + 2, w), w, fma(spread(z, next_v + i + 1, y), y, spread(z, next_v + i, x) * x))
        place = start
        for k in range(i):
            x = fma(-h, spread(z, v + k, h), fma(-g, spread(z, u + k, g), load(z, place, lanes)))
            store(z, place, x)
            p, q = fma(x, spread(z, next_u + k, x), p), fma(x, spread(z, next_v + k, x), q)
            place += stride
    if n % 2 == 1:  # the last reflector is alone
        u = reflectors + (n - 1) * stride
        p = spread(z, u + n - 1, p) * p
        for k in range(n - 1):
            place = start + k * stride
            store(z, place, fma(-p, spread(z, u + k, p), load(z, place, lanes)))
    if n <= LONG:
        return
    zero = splat(0.0, p)
    square = zero
    for first in range(0, n, 8):  # to unit length, as `_make_unit`
        part = zero
        for k in range(first, min(first + 8, n)):
            x = load(z, start + k * stride, lanes)
            part = fma(x, x, part)
        square = square + part
    missing = fma(square, -0.5, 0.5)
    for k in range(n):
        place = start + k * stride
        x = load(z, place, lanes)
        store(z, place, fma(missing, x, x))

"""Products Q z of eigenvectors z of T with Q of A = Q T Q', from the reflectors that `tridiagonalise` left."""

from __future__ import annotations

from fastcurv.simd import fma, load, splat, spread, store

#: from here on reflections change the length of vectors by more than 2 eps
LONG = 32


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

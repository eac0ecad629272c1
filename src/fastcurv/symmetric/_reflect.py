"""Products Q z of eigenvectors z of T with Q of A = Q T Q', from the reflectors that `tridiagonalise` left."""

from __future__ import annotations

from fastcurv.simd import any_lane, fma, load, splat, spread, store

#: from here on reflections change the length of vectors by more than 2 eps
LONG = 32


def reflect_lanes(a, z, n, first, apart):
    """Q z for every row of z, Q the reflectors that `tridiagonalise` left in `a`, in some of the lanes.

    Their numbers of column c are at first + c apart. On four rows of z at a time, which may be the same, by three
    reflectors u, v and w: z - f u - g v - h w with f = tau_u u'z, g = tau_v v'(z - f u), h = tau_w w'(z - f u - g v).
    The products with the next three are formed in the same pass: each element is loaded and stored once for all. u'v,
    u'w and v'w are kept beside the diagonal. The first one or two, of least support, are alone where they are left.
    """
    begin = 2 + (n - 2) % 3
    zero = a[0, first] - a[0, first]
    some = zero > 0.0
    for i in range(2, n):
        some = some | (a[i, first + i * apart] != 0.0)
    rows = n if any_lane(some) else 0  # of matrices that were tridiagonal there are none
    for i in range(begin, n, 3):
        u, v, w, end = a[i], a[i + 1], a[i + 2], first + i * apart
        uv = uw = vw = u[first] - u[first]
        for c in range(first, end, apart):
            u_c, v_c, w_c = u[c], v[c], w[c]
            uv, uw, vw = fma(u_c, v_c, uv), fma(u_c, w_c, uw), fma(v_c, w_c, vw)
        u[end + apart], u[end + 2 * apart], v[end + 2 * apart] = uv, uw, fma(v[end], w[end], vw)
    for k in range(0, rows, 4):
        z0, z1, z2, z3 = z[k], z[min(k + 1, n - 1)], z[min(k + 2, n - 1)], z[min(k + 3, n - 1)]
        for i in range(2, begin):
            _reflect_alone(a[i], z0, z1, z2, z3, first, first + i * apart, apart)
        if begin < n:
            _reflect_by_threes(a, z0, z1, z2, z3, begin, n, first, apart)
    if n > LONG:
        for k in range(n):
            _make_unit(z[k], n, first, apart)


def _reflect_alone(u, z0, z1, z2, z3, first, end, apart):
    """z - tau u u'z of four rows."""
    f0 = f1 = f2 = f3 = u[first] - u[first]
    for c in range(first, end, apart):
        u_c = u[c]
        f0, f1, f2, f3 = fma(u_c, z0[c], f0), fma(u_c, z1[c], f1), fma(u_c, z2[c], f2), fma(u_c, z3[c], f3)
    tau = u[end]
    f0, f1, f2, f3 = tau * f0, tau * f1, tau * f2, tau * f3
    for c in range(first, end, apart):
        u_c = u[c]
        x0, x1, x2, x3 = fma(-f0, u_c, z0[c]), fma(-f1, u_c, z1[c]), fma(-f2, u_c, z2[c]), fma(-f3, u_c, z3[c])
        z0[c], z1[c], z2[c], z3[c] = x0, x1, x2, x3


def _reflect_by_threes(a, z0, z1, z2, z3, begin, n, first, apart):
    """All reflectors from `begin` on, of four rows."""
    end, zero = first + begin * apart, z0[first] - z0[first]
    u, v, w = a[begin], a[begin + 1], a[begin + 2]
    p0, q0, r0 = _products(u, v, w, z0, first, end, apart)
    p1, q1, r1 = _products(u, v, w, z1, first, end, apart)
    p2, q2, r2 = _products(u, v, w, z2, first, end, apart)
    p3, q3, r3 = _products(u, v, w, z3, first, end, apart)
    for i in range(begin, n, 3):
        u, v, w, end = a[i], a[i + 1], a[i + 2], first + i * apart
        f0, g0, h0 = _factors(u, v, w, end, apart, p0, q0, r0)
        f1, g1, h1 = _factors(u, v, w, end, apart, p1, q1, r1)
        f2, g2, h2 = _factors(u, v, w, end, apart, p2, q2, r2)
        f3, g3, h3 = _factors(u, v, w, end, apart, p3, q3, r3)
        x0, y0 = _last_two(v, w, z0, end, apart, g0, h0)
        x1, y1 = _last_two(v, w, z1, end, apart, g1, h1)
        x2, y2 = _last_two(v, w, z2, end, apart, g2, h2)
        x3, y3 = _last_two(v, w, z3, end, apart, g3, h3)
        z0[end], z1[end], z2[end], z3[end] = x0, x1, x2, x3
        z0[end + apart], z1[end + apart], z2[end + apart], z3[end + apart] = y0, y1, y2, y3
        if i == n - 3:
            for c in range(first, end, apart):
                u_c, v_c, w_c = u[c], v[c], w[c]
                x0, x1 = _reflected(u_c, v_c, w_c, z0[c], f0, g0, h0), _reflected(u_c, v_c, w_c, z1[c], f1, g1, h1)
                x2, x3 = _reflected(u_c, v_c, w_c, z2[c], f2, g2, h2), _reflected(u_c, v_c, w_c, z3[c], f3, g3, h3)
                z0[c], z1[c], z2[c], z3[c] = x0, x1, x2, x3
        else:
            next_u, next_v, next_w = a[i + 3], a[i + 4], a[i + 5]
            p0 = p1 = p2 = p3 = q0 = q1 = q2 = q3 = r0 = r1 = r2 = r3 = zero
            for c in range(first, end, apart):
                u_c, v_c, w_c = u[c], v[c], w[c]
                x0, x1 = _reflected(u_c, v_c, w_c, z0[c], f0, g0, h0), _reflected(u_c, v_c, w_c, z1[c], f1, g1, h1)
                x2, x3 = _reflected(u_c, v_c, w_c, z2[c], f2, g2, h2), _reflected(u_c, v_c, w_c, z3[c], f3, g3, h3)
                z0[c], z1[c], z2[c], z3[c] = x0, x1, x2, x3
                u_c, v_c, w_c = next_u[c], next_v[c], next_w[c]
                p0, p1, p2, p3 = fma(x0, u_c, p0), fma(x1, u_c, p1), fma(x2, u_c, p2), fma(x3, u_c, p3)
                q0, q1, q2, q3 = fma(x0, v_c, q0), fma(x1, v_c, q1), fma(x2, v_c, q2), fma(x3, v_c, q3)
                r0, r1, r2, r3 = fma(x0, w_c, r0), fma(x1, w_c, r1), fma(x2, w_c, r2), fma(x3, w_c, r3)
            p0, q0, r0 = _beyond(next_u, next_v, next_w, z0, end, apart, p0, q0, r0)
            p1, q1, r1 = _beyond(next_u, next_v, next_w, z1, end, apart, p1, q1, r1)
            p2, q2, r2 = _beyond(next_u, next_v, next_w, z2, end, apart, p2, q2, r2)
            p3, q3, r3 = _beyond(next_u, next_v, next_w, z3, end, apart, p3, q3, r3)


def _products(u, v, w, z, first, end, apart):
    """u'z, v'z and w'z."""
    p = q = r = z[first] - z[first]
    for c in range(first, end, apart):
        p, q, r = fma(u[c], z[c], p), fma(v[c], z[c], q), fma(w[c], z[c], r)
    x, y = z[end], z[end + apart]
    return p, fma(v[end], x, q), fma(w[end + apart], y, fma(w[end], x, r))


def _beyond(u, v, w, z, end, apart, p, q, r):
    """u'z, v'z and w'z, of reflectors that reach three columns further, with what the columns from `end` on add.

    They come last: where they are most of it, each sum that is then added to would be rounded in the same direction by
    equal entries (30 eps for repeated rows).
    """
    place = end + apart
    x, y = z[place], z[place + apart]
    p, q, r = fma(u[end], z[end], p), fma(v[end], z[end], q), fma(w[end], z[end], r)
    p, q, r = fma(u[place], x, p), fma(v[place], x, q), fma(w[place], x, r)
    place += apart
    p, q, r = fma(u[place], y, p), fma(v[place], y, q), fma(w[place], y, r)
    place += apart
    x, y = z[place], z[place + apart]
    return p, fma(v[place], x, q), fma(w[place + apart], y, fma(w[place], x, r))


def _factors(u, v, w, end, apart, p, q, r):
    """f, g, h of the products with z: tau stands at each reflector's end, u'v, u'w and v'w after it."""
    f = u[end] * p
    g = v[end + apart] * fma(-u[end + apart], f, q)
    return f, g, w[end + 2 * apart] * fma(-v[end + 2 * apart], g, fma(-u[end + 2 * apart], f, r))


def _last_two(v, w, z, end, apart, g, h):
    """z - g v - h w where u has ended, and z - h w where v has."""
    return fma(-h, w[end], fma(-g, v[end], z[end])), fma(-h, w[end + apart], z[end + apart])


def _reflected(u, v, w, z, f, g, h):
    """z - f u - g v - h w."""
    return fma(-h, w, fma(-g, v, fma(-f, u, z)))


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

    Row i of Q's reflectors begins at reflectors + i stride; what is beside its factor is overwritten by products. All
    is done in the order of `reflect_lanes`, for the same bits.
    """
    for i in range(2 + (n - 2) % 3, n, 3):
        u, v, w = _rows(reflectors, i, stride)
        uv = uw = vw = splat(0.0, load(z, start, 1))
        for k in range(i):
            u_k, v_k, w_k = load(z, u + k, 1), load(z, v + k, 1), load(z, w + k, 1)
            uv, uw, vw = fma(u_k, v_k, uv), fma(u_k, w_k, uw), fma(v_k, w_k, vw)
        store(z, u + i + 1, uv)
        store(z, u + i + 2, uw)
        store(z, v + i + 2, fma(load(z, v + i, 1), load(z, w + i, 1), vw))
    for k in range(0, columns - wide + 1, wide):
        reflect_strip(z, start + k, n, stride, reflectors, wide)
    k = columns - columns % wide
    if columns - k >= middle:
        reflect_strip(z, start + k, n, stride, reflectors, middle)
        k += middle
    if columns - k >= narrow:
        reflect_strip(z, start + k, n, stride, reflectors, narrow)


def reflect_strip(z, start, n, stride, reflectors, lanes):
    """The same for some columns, `lanes` of them, by three reflectors at a time, the first one or two alone."""
    zero = splat(0.0, load(z, start, lanes))
    begin = 2 + (n - 2) % 3
    for i in range(2, begin):
        u, p = reflectors + i * stride, zero
        for k in range(i):
            p = fma(spread(z, u + k, p), load(z, start + k * stride, lanes), p)
        p = spread(z, u + i, p) * p
        for k in range(i):
            place = start + k * stride
            store(z, place, fma(-p, spread(z, u + k, p), load(z, place, lanes)))
    if begin < n:
        p = q = r = zero
        u, v, w = _rows(reflectors, begin, stride)
        for k in range(begin):
            p, q, r = _added(z, u + k, v + k, w + k, load(z, start + k * stride, lanes), p, q, r)
        place = start + begin * stride
        x, y = load(z, place, lanes), load(z, place + stride, lanes)
        q = fma(spread(z, v + begin, x), x, q)
        r = fma(spread(z, w + begin + 1, y), y, fma(spread(z, w + begin, x), x, r))
    for i in range(begin, n, 3):
        u, v, w = _rows(reflectors, i, stride)
        f = spread(z, u + i, p) * p
        g = spread(z, v + i + 1, q) * fma(-spread(z, u + i + 1, f), f, q)
        h = spread(z, w + i + 2, r) * fma(-spread(z, v + i + 2, g), g, fma(-spread(z, u + i + 2, f), f, r))
        place = start + i * stride
        x = fma(-h, spread(z, w + i, h), fma(-g, spread(z, v + i, g), load(z, place, lanes)))
        y = fma(-h, spread(z, w + i + 1, h), load(z, place + stride, lanes))
        store(z, place, x)
        store(z, place + stride, y)
        is_last = i == n - 3
        next_u, next_v, next_w = _rows(reflectors, i if is_last else i + 3, stride)  # not needed of the last
        p = q = r = zero
        place = start
        for k in range(i):
            x = fma(-f, spread(z, u + k, f), load(z, place, lanes))
            x = fma(-h, spread(z, w + k, h), fma(-g, spread(z, v + k, g), x))
            store(z, place, x)
            p, q, r = _added(z, next_u + k, next_v + k, next_w + k, x, p, q, r)
            place += stride
        if not is_last:  # columns beyond come last, as in `_beyond`
            for k in range(i, i + 3):
                x = load(z, start + k * stride, lanes)
                p, q, r = _added(z, next_u + k, next_v + k, next_w + k, x, p, q, r)
            x, y = load(z, place + 3 * stride, lanes), load(z, place + 4 * stride, lanes)
            q = fma(spread(z, next_v + i + 3, x), x, q)
            r = fma(spread(z, next_w + i + 4, y), y, fma(spread(z, next_w + i + 3, x), x, r))
    if n <= LONG:
        return
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


def _rows(reflectors, i, stride):
    """Where three reflectors begin."""
    return reflectors + i * stride, reflectors + (i + 1) * stride, reflectors + (i + 2) * stride


def _added(z, u, v, w, x, p, q, r):
    """Products to which those of x with three numbers are added."""
    return fma(spread(z, u, x), x, p), fma(spread(z, v, x), x, q), fma(spread(z, w, x), x, r)

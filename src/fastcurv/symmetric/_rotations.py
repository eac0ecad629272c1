"""Plane rotations of QL sweeps, applied to the rows of Z: lane by lane together, or to one matrix at a time."""

from __future__ import annotations

from fastcurv.simd import fma, load, reduce_sum, splat, spread, store, transpose


def rotate_lanes(z, n, cosines, sines, first, last):
    """Rows i + 1 and i of Z, i = last - 1 .. first, by rotation i of each lane; z : (n, n or more) vectors.

    The row that two successive rotations share stays in registers, for four columns of Z at a time.
    """
    for k in range(0, n - 3, 4):
        row = z[last]
        z0, z1, z2, z3 = row[k], row[k + 1], row[k + 2], row[k + 3]
        for i in range(last - 1, first - 1, -1):
            c, s, above, below = cosines[i], sines[i], z[i], z[i + 1]
            x0, x1, x2, x3 = above[k], above[k + 1], above[k + 2], above[k + 3]
            below[k] = fma(s, x0, c * z0)
            below[k + 1] = fma(s, x1, c * z1)
            below[k + 2] = fma(s, x2, c * z2)
            below[k + 3] = fma(s, x3, c * z3)
            z0, z1, z2, z3 = fma(-s, z0, c * x0), fma(-s, z1, c * x1), fma(-s, z2, c * x2), fma(-s, z3, c * x3)
        row = z[first]
        row[k], row[k + 1], row[k + 2], row[k + 3] = z0, z1, z2, z3
    for k in range(n - n % 4, n):
        z0 = z[last, k]
        for i in range(last - 1, first - 1, -1):
            c, s, x0 = cosines[i], sines[i], z[i, k]
            z[i + 1, k] = fma(s, x0, c * z0)
            z0 = fma(-s, z0, c * x0)
        z[first, k] = z0


def complete_sweep(c, s, n, first, last):
    """Make a sweep over rows `first` to `last` one over all n rows: the identity elsewhere."""
    for i in range(first):
        c[i], s[i] = 1.0, 0.0
    for i in range(last, n):
        c[i], s[i] = 1.0, 0.0


def note_windows(windows, sweep, most, work, at, group):
    """Keep the window of each lane in a sweep, given as `group` lows and then highs from work[at] on, as integers.

    A lane's lows begin at windows[lane most], its highs at windows[(group + lane) most].
    """
    for lane in range(2 * group):
        windows[lane * most + sweep] = int(work[at + lane])


def gather_rotations(rotations, stride, cosines, sines, sweeps, n, lanes, part, native):
    """The rotations of `native` lanes, those of a lane together: its sweep t at (lane * sweeps + t) * 2 * stride.

    Cosines come first, sines `stride` after them. cosines, sines : flat, those of rotation i of sweep t at
    (t n + i) lanes, with `native` rotations more behind the last.
    """
    apart = 2 * stride * sweeps
    for t in range(sweeps):
        for i in range(0, n, native):
            there, here = (t * n + i) * lanes + part * native, 2 * t * stride + i
            transpose(rotations, here, apart, cosines, there, lanes, native)
            transpose(rotations, here + stride, apart, sines, there, lanes, native)


def rotate_strip(z, start, stride, n, rotations, begin, sweeps, lows, highs, lanes):
    """All sweeps on some columns (`lanes` of them, from `start` on) of one matrix, two at a time.

    The second sweep follows one row behind the first, so that each row is loaded and stored once for both: `ahead` is
    the row that the first has under way, `behind` that of the second. A sweep is the identity outside its window.
    """
    t = 0
    while t < sweeps and lows[t] < n:
        c = begin + 2 * t * stride
        s = c + stride
        if t + 1 < sweeps and lows[t + 1] < n:
            c_2, s_2 = s + stride, s + 2 * stride
            low, high = min(lows[t], lows[t + 1]), max(highs[t], highs[t + 1])
            i = high - 1
            place = start + high * stride
            ahead, above = load(z, place, lanes), load(z, place - stride, lanes)
            c_i, s_i = spread(rotations, c + i, ahead), spread(rotations, s + i, ahead)
            behind, ahead = fma(s_i, above, c_i * ahead), fma(-s_i, ahead, c_i * above)
            for i in range(high - 2, low - 1, -1):
                place -= stride
                above = load(z, place - stride, lanes)
                c_i, s_i = spread(rotations, c + i, ahead), spread(rotations, s + i, ahead)
                between, ahead = fma(s_i, above, c_i * ahead), fma(-s_i, ahead, c_i * above)
                c_i, s_i = spread(rotations, c_2 + i + 1, ahead), spread(rotations, s_2 + i + 1, ahead)
                store(z, place + stride, fma(s_i, between, c_i * behind))
                behind = fma(-s_i, behind, c_i * between)
            c_i, s_i = spread(rotations, c_2 + low, ahead), spread(rotations, s_2 + low, ahead)
            store(z, place, fma(s_i, ahead, c_i * behind))
            store(z, place - stride, fma(-s_i, behind, c_i * ahead))
        else:
            low, high = lows[t], highs[t]
            place = start + high * stride
            ahead = load(z, place, lanes)
            for i in range(high - 1, low - 1, -1):
                above = load(z, place - stride, lanes)
                c_i, s_i = spread(rotations, c + i, ahead), spread(rotations, s + i, ahead)
                store(z, place, fma(s_i, above, c_i * ahead))
                ahead = fma(-s_i, ahead, c_i * above)
                place -= stride
            store(z, place, ahead)
        t += 2


def rotate_matrix(z, start, stride, columns, n, rotations, begin, sweeps, lows, highs, wide, middle, narrow):
    """All sweeps on one matrix, Z[i, k] at start + i stride + k, by strips of columns as wide as registers allow."""
    for k in range(0, columns - wide + 1, wide):
        rotate_strip(z, start + k, stride, n, rotations, begin, sweeps, lows, highs, wide)
    k = columns - columns % wide
    if columns - k >= middle:
        rotate_strip(z, start + k, stride, n, rotations, begin, sweeps, lows, highs, middle)
        k += middle
    if columns - k >= narrow:
        rotate_strip(z, start + k, stride, n, rotations, begin, sweeps, lows, highs, narrow)


def normalise_rows(z, start, stride, columns, n, lanes):
    """Rows of almost unit length: one Newton step towards it.

    A product with a cosine just below 1 is rounded downwards more often than not, so that a vector that many small
    rotations pass over gets shorter (by 34 eps in float32, seen in one of 5,000 matrices of order 64).
    """
    for i in range(n):
        first = start + i * stride
        square = load(z, first, lanes) * 0.0
        for k in range(0, columns, lanes):
            x = load(z, first + k, lanes)
            square = fma(x, x, square)
        missing = splat(0.5 - 0.5 * reduce_sum(square), square)
        for k in range(0, columns, lanes):
            x = load(z, first + k, lanes)
            store(z, first + k, fma(missing, x, x))

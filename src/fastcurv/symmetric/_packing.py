"""Between matrices one after the other in memory and matrices side by side in lanes; scaling; order."""

from __future__ import annotations

from fastcurv.simd import any_lane, floor_power_of_two, transpose, transpose_and_add, transpose_rows, where

#: elements of float64 in 4 KB
PAGE = 512


def stride_of(n, lanes, unit):
    """How many elements apart rows of n vectors begin.

    Longer ones are an odd number of units apart, so that entries of a column do not meet in one set of the cache, nor
    those of few rows, of vectors of two units, leave half of the sets unused; and they are spaced.
    """
    if n < 2 * unit:
        return n * lanes
    stride = (n * (lanes // unit) | 1) * unit
    return spaced(stride, 2 * unit) if stride > PAGE // 4 else stride


def spaced(stride, step):
    """The stride, or some steps more, by which none of four that follow each other begins less than some lines from
    where another does in its page: where the last twelve bits of addresses agree, a processor takes a load for one of
    what it has just stored, and waits.
    """
    k = 1
    while k <= 4:
        place = k * stride % PAGE
        if min(place, PAGE - place) < PAGE // 16:
            stride, k = stride + step, 1
        else:
            k += 1
    return stride


def pack(matrices, first, count, n, target, stride, lanes, block):
    """Lower triangles of `count` matrices into lanes; lanes without a matrix are zero.

    matrices : flat, the first to take begins at `first`; target : flat, rows of n vectors `stride` elements apart;
    `block` lanes and entries are transposed together.
    """
    size = n * n
    if count < lanes or size < block:
        for lane in range(lanes):
            for i in range(n):
                here, there = first + lane * size + i * n, i * stride + lane
                for k in range(i + 1):
                    target[there + k * lanes] = matrices[here + k] if lane < count else 0.0
    elif stride == n * lanes:
        for lane in range(0, lanes, block):  # few matrices at a time: their entries may meet in one set of the cache
            for k in range(0, size, block):
                place = k if k + block <= size else size - block
                transpose(target, place * lanes + lane, lanes, matrices, first + lane * size + place, size, block)
    else:
        for lane in range(0, lanes, block):
            for i in range(n):
                for k in range(0, i + 1, block):
                    place = k if k + block <= n else n - block
                    here, there = first + lane * size + i * n + place, i * stride + place * lanes + lane
                    transpose(target, there, lanes, matrices, here, size, block)


def measure(a, n, scales, part, limits):
    """The inverse of a power of two by which a matrix's largest entry lies between 1 and 2, and where it is finite.

    The power is kept in `scales`, NaN for what is not finite: such matrices are to be taken as zero, that nothing which
    follows sees a NaN. Then the largest entry that is not next to the diagonal: of tridiagonal matrices 0.
    """
    beyond = a[0, 0] - a[0, 0]
    largest = poison = beyond
    for i in range(n):
        for k in range(i + 1):
            x = abs(a[i, k])
            if k < i - 1:
                beyond = max(beyond, x)
            else:
                largest = max(largest, x)
            poison = poison + x * 0.0
    largest = max(largest, beyond)
    finite = poison == 0.0
    power = floor_power_of_two(where(finite, max(largest, limits.scale), 1.0))
    scales[part] = where(finite, power, poison)
    return 1.0 / power, finite, where(finite, beyond, 0.0)


def scale(a, n, inverse, finite):
    """Multiply lower triangles by `inverse`; 0 where not `finite`."""
    for i in range(n):
        scale_row(a[i], i + 1, inverse, finite)


def scale_row(row, n, inverse, finite):
    """The same for n entries of a row."""
    for k in range(n):
        row[k] = where(finite, row[k] * inverse, 0.0)


def sort(d, order, n):
    """Sort each lane's d, and `order` with it unless that is None.

    By Batcher's merge exchange (Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M): what is compared does
    not depend on the numbers.
    """
    top = 1
    while 2 * top < n:
        top *= 2
    p = top
    while p > 0:
        q, r, distance = top, 0, p
        while True:
            for i in range(n - distance):
                if (i & p) == r:
                    lower, upper = d[i], d[i + distance]
                    swap = lower > upper
                    d[i], d[i + distance] = where(swap, upper, lower), where(swap, lower, upper)
                    if order is not None and any_lane(swap):
                        lower, upper = order[i], order[i + distance]
                        order[i], order[i + distance] = where(swap, upper, lower), where(swap, lower, upper)
            if q == p:
                break
            distance, q, r = q - p, q // 2, p
        p //= 2


def finish_values(d, n, scales):
    """Undo the scaling: NaN where the matrix was not finite, and no negative zeros."""
    for i in range(n):
        d[i] = d[i] * scales + 0.0


def unpack_values(d, n, count, target, first, lanes):
    """target[first + lane n + i] = d[i lanes + lane], both flat, of `count` lanes."""
    for lane in range(count):
        for i in range(n):
            target[first + lane * n + i] = d[i * lanes + lane]


def unpack_rows(z, start, stride, order, n, target, first, lane, lanes, places, poison, block):
    """One matrix's eigenvectors, in rows z[start + i stride + k], to the columns of a matrix.

    order[j lanes + lane] is the row of eigenvector j; `poison`, zero or NaN, is added; places : 2 n integers, scratch.
    """
    for j in range(n):
        places[j] = start + int(order[j * lanes + lane]) * stride
    if n < block:
        for k in range(n):
            for j in range(n):
                target[first + k * n + j] = z[places[j] + k] + poison
        return
    for k in range(0, n, block):
        column = k if k + block <= n else n - block
        for j in range(n):
            places[n + j] = places[j] + column
        for j in range(0, n, block):
            row = j if j + block <= n else n - block
            transpose_rows(target, first + column * n + row, n, z, places, n + row, poison, block)


def unpack_columns(rows, first, apart, n, count, lanes, target, to, size, stride, block):
    """target[to + lane size + i stride + k] = rows[first + k apart + i lanes + lane], of `count` lanes.

    Eigenvectors, the rows of each lane's matrix, become columns, without negative zeros.
    """
    whole = count - count % block if n >= block else 0
    for lane in range(0, whole, block):
        for i in range(n):
            here, there = first + i * lanes + lane, to + lane * size + i * stride
            for k in range(0, n, block):
                place = k if k + block <= n else n - block
                transpose_and_add(target, there + place, size, rows, here + place * apart, apart, 0.0, block)
    for lane in range(whole, count):
        for i in range(n):
            here, there = first + i * lanes + lane, to + lane * size + i * stride
            for k in range(n):
                target[there + k] = rows[here + k * apart] + 0.0

"""QL iteration on one symmetric tridiagonal matrix in each lane.

Every lane has its own window: the first unreduced block, rows `low` to `high` (counted in floats), in which its sweep
runs. Lanes move in lockstep from the highest window's end to the lowest's beginning, and wait outside their own; sweeps
without square roots begin at the last row in every lane. So what happens in a lane does not depend on the others.
d[i] is the diagonal, e[i] couples rows i and i + 1, e[n-1] = 0.
"""

from __future__ import annotations

import math

from fastcurv.simd import any_lane, fma, reciprocal_sqrt, reduce_max, reduce_min, splat, where

SWEEPS_PER_EIGENVALUE = 30  # the bound of EISPACK and LAPACK; 2.1 are needed, 1.5 with known eigenvalues as shifts
#: root-free sweeps after which it is noted again where blocks end: those that are turned fall into several
SWEEPS_PER_NOTE = 16


def square_couplings(e, n):
    """e[i] = e[i]² for `ql_values`. The largest."""
    largest = e[0] - e[0]
    for i in range(n - 1):
        e[i] = square = e[i] * e[i]
        largest = max(largest, square)
    return largest


def all_rows(n):
    """Where a search begins that leaves out no row: 0, but not a literal, which has a compilation of its own."""
    return 0 * n


def find_windows(d, e, n, first, known, ratio, floor):
    """The search for windows over all rows from `first` on: see `_search`."""
    zero = d[n - 1] - d[n - 1]
    found = _start(zero, n, n - 1, d[n - 1])
    for i in range(n - 2, first - 1, -1):
        found, e[i] = _search(found, i, d[i], e[i], known[i], ratio, floor)
    return found


def _start(zero, n, end, d_end):
    """Nothing found yet, above row `end`: low, high, the numbers that shifts are made from, and where the search is.

    low = n in a lane that is done.
    """
    return zero + n, zero, zero, zero, zero + 1.0, zero, zero + end, d_end


def _search(found, i, d_i, e_i, known_i, ratio, floor):
    """Go on to row i in the search for each lane's first window; a negligible coupling is cleared.

    A coupling is negligible up to `ratio` times the sum of the rows' diagonals, or up to `floor`.
    """
    low, high, d_0, d_1, coupling, known, end, below = found
    negligible = abs(e_i) <= ratio * (abs(d_i) + abs(below)) + floor
    e_i = where(negligible, 0.0, e_i)
    found = (
        where(negligible, low, i),
        where(negligible, high, end),
        where(negligible, d_0, d_i),
        where(negligible, d_1, below),
        where(negligible, coupling, e_i),
        where(negligible, known, known_i),
        where(negligible, i, end),
        d_i,
    )
    return found, e_i


def is_incomplete(found, low, high, n, last):
    """Whether a lane has gone through its window, and the search in that sweep did not reach the next."""
    return last < n - 1 and any_lane((found[0] > high) & (low < n))


def wilkinson_shift(d_0, d_1, square):
    """The eigenvalue of [[d_0, e], [e, d_1]] that is closer to d_0; square = e²."""
    half = 0.5 * (d_1 - d_0)
    return d_0 - square / (half + math.copysign(math.sqrt(fma(half, half, square)), half))


def ql_values(d, e2, ends, n, limits, once=False):
    """Eigenvalues in place of d, in no order, by QL without square roots; e2 holds squares. Lanes that converged.

    Pal, Walker & Kahan; Parlett, The Symmetric Eigenvalue Problem, 8.14-8.15; LAPACK's sterf. A sweep is over all rows
    from the last to that where the first unreduced block of any lane begins, and turns this block of each lane. Others
    wait: shifts that are not theirs bring them no further, and every sweep rounds (where they were turned as well, one
    in two million clustered matrices was off by 49 eps). Rows that are coupled to no other are left as they are.
    Whether a coupling is negligible is asked where a block may begin, and of all when it is noted where they end.

    ends : room for as many rows; once : whether gamma is a quotient, not x times a rounded 1 / r, which takes
    longer: where all eigenvalues are the same two numbers, every sweep makes the same errors, and they add up.
    """
    low = d[0] - d[0]
    first, last, least = all_rows(n), n - 2, n - 1
    for sweeps in range(SWEEPS_PER_EIGENVALUE * n + 1):
        if sweeps % SWEEPS_PER_NOTE == 0:  # in all lanes at once, whatever happens in them
            _note_ends(d, e2, ends, n, first, limits)
        found = _first_coupled(d, e2, ends, n, first, last, limits)
        if last < n - 2 and any_lane((found[0] == n) & (low < n)):  # it may begin further on
            last = n - 2
            found = _first_coupled(d, e2, ends, n, first, last, limits)
        low, high = found[0], found[1]
        for i in range(first, last + 1):  # of others it is not asked, or results depended on where neighbours begin
            e2[i] = where(low > i, 0.0, e2[i])
        first = int(reduce_min(low))
        if first >= n or sweeps == SWEEPS_PER_EIGENVALUE * n:
            break
        if sweeps % SWEEPS_PER_NOTE == 0:
            least = int(reduce_min(high))  # until the next time, for the blocks that follow end further on
        last = min(int(reduce_max(where(low < n, low, 0.0))) + 1, n - 2)  # where the next blocks begin, most likely
        shift = wilkinson_shift(found[2], found[3], found[4])
        root_free_sweep(d, e2, n, first, max(first, least), high, shift, limits, once)
    return low >= n


def _note_ends(d, e2, ends, n, first, limits):
    """The last row of each row's block, from row `first` on."""
    end, below = splat(n - 1, e2[0]), d[n - 1]
    for i in range(n - 2, first - 1, -1):
        d_i = d[i]
        e2[i] = e_i = _coupling(d_i, below, e2[i], limits)
        ends[i] = end = where(e_i > 0.0, end, i)
        below = d_i


def _first_coupled(d, e2, ends, n, first, last, limits):
    """Each lane's first row from `first` to `last` whose coupling to the next is not negligible, n if there is none.

    Then the last row of its block as it was noted, n - 1 if there is none; and its block of two.
    """
    below = d[last + 1]
    zero = below - below
    low, high, d_0, d_1, square = zero + n, zero + (n - 1), zero, zero, zero + 1.0
    for i in range(last, first - 1, -1):
        d_i = d[i]
        e_i = _coupling(d_i, below, e2[i], limits)
        is_coupled = e_i > 0.0
        low, high, square = where(is_coupled, i, low), where(is_coupled, ends[i], high), where(is_coupled, e_i, square)
        d_0, d_1 = where(is_coupled, d_i, d_0), where(is_coupled, below, d_1)
        below = d_i
    return low, high, d_0, d_1, square


def _coupling(d_i, below, square, limits):
    """The square of the coupling of a row's diagonal to that below, 0 if it is negligible."""
    negligible = square <= fma(limits.half_ulp * limits.half_ulp, d_i * d_i + below * below, limits.squared_coupling)
    return where(negligible, 0.0, square)


def _pivot(gamma, p, r, old_p, limits):
    """gamma and p = gamma² / cosine², of which the root, the diagonal that is turned, is not zero but negligible.

    The squared cosine is old_p / r.
    """
    least = limits.shifted * limits.shifted
    vanishes = p < least
    if any_lane(vanishes):  # hardly ever; what follows does not wait for the answer
        gamma = where(vanishes, limits.shifted * math.sqrt(old_p / r), gamma)
        p = where(vanishes, least, p)
    return gamma, p


def root_free_sweep(d, e2, n, first, least, high, shift, limits, once):
    """One QL sweep upwards, which leaves couplings from row `high` on as they are; it is `least` or more in all lanes.

    It begins at the last row in every lane: what rounding does in a block depends on the lane's rows below, but not on
    where the blocks of other lanes end. A coupling of 0 begins anew by itself.
    """
    gamma = d[n - 1] - shift
    s = kept = shift - shift
    gamma, p = _pivot(gamma, gamma * gamma, s + 1.0, s + 1.0, limits)
    turned = gamma, p, s
    for i in range(n - 2, least - 1, -1):
        e_i = e2[i]
        coupling = where(high > i, e_i, 0.0)
        turned, d[i + 1], e2[i + 1] = _turn(turned, d[i], d[i + 1], coupling, kept, shift, limits, once)
        kept = e_i - coupling
    for i in range(least - 1, first - 1, -1):
        turned, d[i + 1], e2[i + 1] = _turn(turned, d[i], d[i + 1], e2[i], 0.0, shift, limits, once)
    gamma, p, s = turned
    d[first], e2[first] = where(s > 0.0, gamma + shift, d[first]), s * p


def _turn(turned, d_i, d_below, e_i, kept, shift, limits, once):
    """Go on to row i, on squares of sine (s), cosine (p / r) and coupling; p = gamma² / cosine².

    The row below, of the diagonal `d_below`, and its coupling are then done; `kept` is one that waits, or 0. The sine
    is 0 where the row below is coupled to none further down.
    """
    gamma, p, s = turned
    is_coupled, was_coupled = e_i > 0.0, s > 0.0
    r = p + e_i
    x = fma(p, d_i - shift, -(e_i * gamma))
    r_inverse, quotient, product = _quotients(x, r, p, once)
    e_done, s = fma(s, r, kept), e_i * r_inverse
    previous = gamma
    gamma, p = _pivot(quotient, product, r, p, limits)
    d_done = previous + where(is_coupled, d_i - gamma, shift)
    return (gamma, p, s), where(is_coupled | was_coupled, d_done, d_below), e_done


def _quotients(x, r, p, once):
    """1 / r, x / r and (x / r) (x / p), by two divisions; x / r is one of them or rounded twice."""
    if once:
        inverse = 1.0 / (r * p)
        return p * inverse, x / r, x * (x * inverse)
    r_inverse, ratio = 1.0 / r, x / p
    return r_inverse, x * r_inverse, (x * r_inverse) * ratio


def normalised(c, s):
    """One Newton step towards c² + s² = 1.

    What is missing, (1 - c² - s²) / 2, is found without rounding 1 - c² first: for small s that leaves ties to the
    step's own rounding, and shortens every vector a little (by 0.25 eps in c² + s² for s from 1e-8 to 1e-5;
    max|V'V - I| at n = 128 was 26 eps in float32, and is 10).
    """
    large, small = max(abs(c), abs(s)), min(abs(c), abs(s))
    rest = 1.0 - large
    missing = fma(-0.5, fma(rest, rest, small * small), rest)
    return fma(missing, c, c), fma(missing, s, s)


def ql_sweep(d, e, n, first, last, low, high, shift, known, cosines, sines, limits):
    """One implicit-shift QL sweep upwards; rotation i acts on rows i and i + 1, the identity outside windows.

    Dubrulle, Martin & Wilkinson, "The implicit QL algorithm" (Handbook for Automatic Computation II/4, 1971; EISPACK's
    imtql2, LAPACK's steqr).
    """
    ratio, floor = limits.half_ulp, limits.coupling
    top = high - 1.0
    d_below, e_below = d[last], e[last]
    d_done = d_below
    zero = d_below - d_below
    c, s, p, g = zero + 1.0, zero + 1.0, zero, zero
    found = _start(zero, n, last, d_below)
    for i in range(last - 1, first - 1, -1):
        enters, leaves = top == i, low == i
        inside = (top >= i) & (low <= i)
        d_i, e_i = d[i], e[i]
        g = where(enters, d_below - shift, g)
        p, c, s = where(enters, 0.0, p), where(enters, 1.0, c), where(enters, 1.0, s)
        f, b = s * e_i, c * e_i
        g = where(abs(g) < limits.coupling, limits.coupling, g)  # moves an eigenvalue by no more; squares are numbers
        square = fma(g, g, f * f)
        r_inverse = reciprocal_sqrt(square)
        c, s = g * r_inverse, f * r_inverse
        c, s = normalised(c, s)
        e_done = where(inside & ~enters, square * r_inverse, e_below)
        x = d_below - p
        t = fma(d_i - x, s, 2.0 * c * b)
        p = s * t
        d_done = where(inside, x + p, d_done)
        g = fma(c, t, -b)
        cosines[i], sines[i] = where(inside, c, 1.0), where(inside, s, 0.0)
        if i + 1 < last:
            found, e_done = _search(found, i + 1, d_done, e_done, known[i + 1], ratio, floor)
        else:
            found = _start(zero, n, last, d_done)
        e[i + 1], d[i + 1] = e_done, d_done
        e_below, d_done, d_below = where(leaves, g, e_i), where(leaves, d_i - p, d_i), d_i
    found, e_below = _search(found, first, d_done, e_below, known[first], ratio, floor)
    e[first], d[first] = e_below, d_done
    return found

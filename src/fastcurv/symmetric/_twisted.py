"""Eigenvectors of symmetric tridiagonal matrices by twisted factorisations, one matrix in each lane.

Vectors of eigenvalues that lie close together are made orthogonal; those further apart are so by themselves, to
eps |T| / |lambda - mu|, or, where eigenvalues crowd towards an end of the spectrum, to eps |mu'| / |lambda - mu| of
mu', their distance from that end (Dhillon & Parlett, "Multiple representations to compute orthogonal eigenvectors of
symmetric tridiagonal matrices", Linear Algebra Appl. 387, 2004). Where eigenvalues are equal to rounding, inverse
iteration finds a basis of their space. Where a vector is not what it should be, it is told.
"""

from __future__ import annotations

import math

from fastcurv.simd import any_lane, reciprocal_sqrt, where

from ._clusters import begin, eliminate, even_clusters, find_clusters, is_shift, note_quotient, solve
from ._factors import (
    CHANGE,
    factorise,
    factorise_relative,
    forget_slopes,
    improve_two,
    represent,
    twisted_vectors,
)
from ._orthogonal import multiply, rayleigh, square_sum, take_out, take_out_of_one, take_out_of_two

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
#: they are where less than MOST is left (of a cluster's, LITTLE): what others lack of being orthogonal to each other
#: comes in with what is taken
LEAST, LITTLE, HALF, MOST = 0.05, 0.25, 0.5, 0.95
#: inverse iterations for vectors of clusters
ITERATIONS = 3


def tridiagonal_vectors(
    d, e, squares, w, blocks, block, z, n, good, factors, relative, joined, beside, start, reaches, tops,
    same, apart, limits,
):  # fmt: skip
    """Where `good`, row k of z becomes the eigenvector of w[k], ascending, which belongs to block[k]. Lanes that are.

    A factorisation corrects the eigenvalue, and gives the vector with what the correction changes in it, to the first
    order: its residual is that of rounding. Where that is not enough, as for vectors of a close pair, it is done again
    with what was corrected; so are small eigenvalues that are corrected by much. Two vectors are found at once. Those
    are made orthogonal about whose eigenvalues intervals overlap, and all that lie in one: what its vector has of
    others comes into those that it is taken out of. tops[k] is where the intervals of w[:k+1] end. Vectors of a cluster
    begin with what has nothing of those before, and are iterated from there.

    squares : those of couplings
    factors : as for `factorise`, (2, n) vectors, scratch; relative : pivots, products, n vectors, scratch
    joined, beside, tops : n vectors, start, reaches : two vectors, scratch
    same, apart : z, tops and `start` as vectors of fewer lanes, of which `apart` make one of theirs
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
    z_too, tops_too, start_too = same
    has_clusters = find_clusters(w, block, n, graded, beside, tops, unit)
    never = good & ~good
    lengths, residuals, better, kept = (unit, unit), (unit, unit), (unit, unit), 0
    for k in range(0, n, 2):
        if not any_lane(good):
            break
        other, both = min(k + 1, n - 1), min(2, n - k)
        shifts, own = (w[k] - origin, w[other] - origin), (block[k], block[other])
        repeated = is_shift(beside[k]), is_shift(beside[other])
        active = good & ~repeated[0], good & ~repeated[1]
        large, repeats = (never, never), 2 if n >= TWICE else 1
        while any_lane(active[0] | active[1]):  # what is called in one place only is compiled once
            rows, gammas, changes = _improve(known, n, own, shifts, factors, good, graded, limits)
            far = _are_far(changes, shifts, active, graded, limits)
            if repeats > 0 and any_lane(far[0] | far[1]):
                shifts, repeats = _changed(far, shifts, changes), repeats - 1
                continue
            if any_lane(large[0] | large[1]):
                forget_slopes(n, large, factors)
            lengths, mosts = twisted_vectors(z[k], z[other], e, n, rows, changes, factors, limits)
            residuals = _residuals(gammas, changes, lengths, mosts, large)
            better = shifts[0] + changes[0], shifts[1] + changes[1]
            more_1, more_2 = ~large[0] & ~(mosts[0] <= FIRST_ORDER), ~large[1] & ~(mosts[1] <= FIRST_ORDER)
            more = active[0] & more_1, active[1] & more_2
            if not any_lane(more[0] | more[1]):
                break
            shifts, large, repeats = _changed(more, shifts, changes), (large[0] | more[0], large[1] | more[1]), 0
        for side in range(both):
            found = _of(side, lengths), _of(side, residuals), _of(side, better)
            good, reaches[side] = _vector(
                z, k + side, n, w, origin, found, d, e, factors, good, _of(side, active), graded, widest, unit, limits
            )
        for turn in range(0 if any_lane(repeated[0] | repeated[1]) else 1, 2):
            for side in range(both):
                column, of_cluster = k + side, _of(side, repeated)
                chosen = good & (of_cluster | (turn == 1))
                start[side] = where(chosen, w[column] - reaches[side], math.inf)
                if turn == 0:
                    begin(z[column], column, n, blocks, block[column], of_cluster)
            if k > 0 and any_lane(tops[k - 1] > min(start[0], start[both - 1])):
                for first in range(apart):
                    take_out_of_two(z_too, tops_too, start_too, k, n, first, apart, limits)
            if turn == 0:
                kept = _iterate_two(z, k, n, d, e, beside, repeated, factors, limits)
        for side in range(both):
            column, reach = k + side, reaches[side]
            if side == 1 and any_lane(tops[k] > start[1]):
                take_out_of_one(z[other], z[k], n, good & (tops[k] > start[1]), limits)
            if column > 0 and any_lane(tops[column - 1] > start[side]):
                good, reach = _orthogonal(
                    z, column, n, w, tops, k + both, reach, widest, good, _of(side, repeated), d, e, factors,
                    kept * side, unit, limits,
                )  # fmt: skip
            _note_top(tops, column, w[column] + reach)
            good = note_quotient(z[column], n, d, e, w[column], beside, column, _of(side, repeated), good, unit)
    return even_clusters(w, beside, n, tops, good, unit) if any_lane(has_clusters) else good


def _of(side, pair):
    """One of two."""
    return pair[1] if side == 1 else pair[0]


def _iterate_two(z, k, n, d, e, beside, chosen, factors, limits):
    """Inverse iterations for z[k] and z[k+1] where that is chosen. In which of `factors` those of z[k+1] are kept."""
    kept = 0
    for side in range(min(2, n - k)):
        if side == 0 or any_lane(beside[k] != beside[k + side]):
            kept = side
            eliminate(n, d, e, beside[k + side], factors, side, limits)
        for _ in range(ITERATIONS):
            solve(z[k + side], n, e, factors, kept, _of(side, chosen))
    return kept


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


def _are_far(changes, shifts, active, graded, limits):
    """Whether shifts change by so much, relative to themselves, that vectors do by more than the first order tells."""
    least_1, least_2 = FAR * limits.half_ulp * (shifts[0] * shifts[0]), FAR * limits.half_ulp * (shifts[1] * shifts[1])
    is_far_1, is_far_2 = changes[0] * changes[0] > least_1, changes[1] * changes[1] > least_2
    return active[0] & graded & is_far_1, active[1] & graded & is_far_2


def _changed(chosen, shifts, changes):
    """Two shifts, changed where that is chosen."""
    return where(chosen[0], shifts[0] + changes[0], shifts[0]), where(chosen[1], shifts[1] + changes[1], shifts[1])


def _residuals(gammas, changes, squares, mosts, unchanged):
    """Residuals of vectors of length one, with or without what changes of shifts change in them."""
    by_gamma_1, by_gamma_2 = unchanged[0] | (changes[0] == 0.0), unchanged[1] | (changes[1] == 0.0)
    of_gamma_1, of_gamma_2 = abs(gammas[0]) * reciprocal_sqrt(squares[0]), abs(gammas[1]) * reciprocal_sqrt(squares[1])
    of_change_1, of_change_2 = abs(changes[0]) * mosts[0], abs(changes[1]) * mosts[1]
    return where(by_gamma_1, of_gamma_1, of_change_1), where(by_gamma_2, of_gamma_2, of_change_2)


def _note_top(tops, k, top):
    """tops[k], of which the k before are known."""
    tops[k] = max(tops[k - 1], top) if k > 0 else top


def _vector(z, k, n, w, origin, found, d, e, factors, good, active, graded, widest, unit, limits):
    """The eigenvector z[k] and w[k] where `active`; lanes that are good, how far the interval about w[k] reaches."""
    x, value, side = z[k], w[k], k % 2
    square, residual, shift = found
    active = active & good
    good = good & (~active | (square * limits.square < 1.0))  # it did not overflow
    poor = active & good & ~(residual <= RESIDUAL * unit)
    better = origin + shift
    of_residual = RELATIVE * (residual * (0.5 / limits.half_ulp))
    reach = min(max((NEAR / WIDEST) * widest, of_residual), widest)
    if any_lane(graded):
        own = max(RELATIVE * abs(shift), of_residual) + BLUR * unit
        reach = where(graded, min(own, widest), reach)
    if any_lane(poor):
        eliminate(n, d, e, value, factors, side, limits)
        solve(x, n, e, factors, side, poor)
        quotient, residual = rayleigh(x, n, d, e, value)
        better, reach = where(poor, quotient, better), where(poor, widest, reach)
        good = good & (~poor | (residual <= RESIDUAL * unit))
    return _corrected(w, k, k, better, active, good, unit), where(active, reach, widest)


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


def _orthogonal(z, k, n, w, tops, known, reach, widest, good, repeated, d, e, factors, kept, unit, limits):
    """Whether z[k], without what it had of z[j], j < k, tops[j] > w[k] - reach, is an eigenvector; they are taken out
    once more, and others, where little is left.

    Where it is good, z[k] has length one again. Of a cluster's two vectors the second may be nearly the first: then
    inverse iteration begins with what is left, which has nothing of the others. Returns lanes that are good, and how
    far the interval about w[k] reaches then.
    """
    x = z[k]
    close = good & (tops[k - 1] > w[k] - reach)
    left = square_sum(x, n)
    doubtful, lost = close & (left < HALF) & ~repeated, close & (left <= LEAST) & repeated
    if any_lane(lost):
        for _ in range(ITERATIONS):
            solve(x, n, e, factors, kept, lost)
            take_out(z, k, n, tops, w[k] - widest, lost, limits)
        left = where(lost, square_sum(x, n), left)
    good = good & (~close | (left > LEAST))
    again = good & close & ((left < LITTLE) | ((left < MOST) & ~repeated))
    reach = where(again & (left < HALF), widest, reach)  # errors grow when what is left becomes a vector
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
    return good, reach

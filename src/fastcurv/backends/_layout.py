"""How points are shared out over tasks: several points to a task or, where points are few, several tasks to a point.

Plain functions, compiled into the blocks. `layout` is an array (points per task, tasks per point, spacing, mask): with
spacing 0 matrices are kept for every point, else only for each worker's present group of mask + 1 points (a power of
two, of which points per task is a multiple), so many places apart. Blocks that work on several points at once, in
lanes, count groups of them as points.
"""

from __future__ import annotations


def span(layout, task, points):
    """First and last + 1 of the points of a task."""
    if layout[1] > 1:
        return task // layout[1], task // layout[1] + 1
    end = (task + 1) * layout[0]
    return task * layout[0], end if end < points else points


def share(layout, task, total):
    """First and last + 1 of the items, of `total` within a point, that a task works on."""
    part = task % layout[1] if layout[1] > 1 else 0
    return part * total // layout[1], (part + 1) * total // layout[1]


def groups(points, lanes):
    """How many groups points make, each of as many points as there are lanes."""
    return (points + lanes - 1) // lanes


def slot(layout, task, b):
    """Where a task reports the status of a point: one place a point or, of a point with several tasks, one a task."""
    return task if layout[1] > 1 else b


def homes(layout, worker):
    """Where a worker puts matrices: those of point b at ``first + (b & mask)`` of these (first, mask).

    Said before the loop over points: compiled code reads anew in each turn what is in memory.
    """
    return (0, -1) if layout[2] == 0 else (worker * layout[2], layout[3])

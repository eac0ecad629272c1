"""Jobs on CUDA devices: the blocks of the CPU over points on the host, a task to a thread.

Blocks, evaluators and numbers that carry derivatives are the same code; here they are compiled for a device, and what a
block is given is moved there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import signature
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .._errors import CompilationError, DeviceError
from ..function import cause_of, compiled
from ._arguments import Kinds, kinds_of
from ._cuda_places import (
    BY_POINT,
    RESULTS,
    THREADS,
    Place,
    Teams,
    as_matrices,
    places_of,
    points_kernel,
    sharing_of,
    teams_for,
)
from ._cuda_tiles import MOST_SHARING
from ._cuda_transfers import in_parts
from ._kernels import block_of, digest_of
from .cpu import Job, Points, Shares
from .cuda import CHUNK_BYTES, constant, cuda, driver_errors, launch, ordinals

#: with fewer points, several tasks share the work at each
ENOUGH = 2**15


class Launcher:
    """Shares out and launches jobs on a device, or on EVERY one, as `cpu` does on the processor."""

    def __init__(self, device: int):
        self._device = device

    def plan_shares(
        self, job: Job, points: int, evaluations: int, divisible: int, spacing: int = 0, together: int = 1,
        lanes: int = 1,
    ) -> Shares:  # fmt: skip
        """Several tasks to a point where they have nothing in common, or where there are few points."""
        parts = divisible if evaluations <= divisible else min(divisible, -(-ENOUGH // max(points, 1)))
        return Shares(np.array([1, parts, 0, 0]), points * parts, 1)

    def launch(
        self, job: Job, points: Points, data: tuple, plan: Shares, evaluations: int, items: int | None = None
    ) -> None:  # fmt: skip
        """Run a job over all points; results are in the arrays among `data`."""
        count = len(points.x)
        if count == 0 or items == 0:
            return
        check_arguments(points.args)
        kernels = kernels_of(job, kinds_of(points.args, points.point_args))
        moved, made = _Moved(kernels.names, data, points), kernels.made(points, data, plan)

        def prepare(ordinal: int) -> Callable[..., None]:
            constants, layout = moved.constants(), constant(plan.layout)
            shared = there(points.args)

            def run(stream: Any, part: int, *arrays: Any) -> None:
                x, own, given = moved.rebuilt(part, arrays, constants, stream)
                arguments = made.arguments(made.items // count * part, layout, x, (shared, own), given)
                compile_for(made.kernel, arguments, job)
                made.launch(*arguments, stream=stream)

            return run

        rows = max(1, CHUNK_BYTES // moved.bytes_of_a_point)
        in_parts(ordinals(self._device), rows, moved.sources, moved.targets, prepare)


class _Moved:
    """What a block is given, sorted into what is sent and fetched by point, and what all points share."""

    def __init__(self, names: tuple[str, ...], data: tuple, points: Points):
        self._count, self._data = len(points.x), data
        sent, fetched = (
            [k for k, name in enumerate(names) if name in kind and data[k].size and len(data[k]) % self._count == 0]
            for kind in (BY_POINT, RESULTS)
        )
        self._places = *sent, *fetched
        self._own_shapes = [array.shape[1:] for array in (points.x, *points.point_args)]
        self.sources = [points.x, *points.point_args, *map(self._by_point, sent)]
        self.targets = list(map(self._by_point, fetched))
        levels = names.index("noise") if "noise" in names else None
        #: where levels of noise are, if each point has its own: they follow that of rounding
        self._levels = levels if levels is not None and len(data[levels]) > 2 else None
        if self._levels is not None:
            self.sources.append(data[self._levels][1:])

    def _by_point(self, k: int) -> np.ndarray:
        return self._data[k].reshape(self._count, -1)

    @property
    def bytes_of_a_point(self) -> int:
        """In the memory of a device."""
        return sum(array[:1].nbytes for array in (*self.sources, *self.targets))

    def constants(self) -> list[Any]:
        """What all points share, on the present device; None for the rest."""
        return [None if k in self._places else there(value) for k, value in enumerate(self._data)]

    def rebuilt(self, count: int, arrays: tuple, constants: list[Any], stream: Any) -> tuple[Any, tuple, tuple]:
        """Points, their own arguments, and what the block takes, of so many points on a device."""
        first = len(self._own_shapes)
        x, *own = (rebuilt(array, (count, *shape)) for array, shape in zip(arrays, self._own_shapes, strict=False))
        given = list(constants)
        others = list(arrays[first:])
        if self._levels is not None:
            own_levels = others.pop(len(self.sources) - 1 - first)
            given[self._levels] = levels = cuda.device_array(1 + count, own_levels.dtype, stream=stream)
            levels[:1].copy_to_device(self._data[self._levels][:1], stream=stream)
            levels[1:].copy_to_device(own_levels, stream=stream)
        for k, array in zip(self._places, others, strict=True):
            length, *rest = self._data[k].shape
            given[k] = array.reshape((length // self._count * count, *rest))
        return x, tuple(own), tuple(given)


def rebuilt(array: Any, shape: tuple[int, ...]) -> Any:
    """Part of what was sent to a device, flat, in its shape."""
    return array.reshape(shape) if prod(shape) else cuda.device_array(shape, array.dtype)


def check_arguments(values: tuple, name: str = "args") -> None:
    """Whether a kernel of a device can be given arguments."""
    for k, value in enumerate(values):
        _check_argument(value, f"{name}[{k}]")


def _check_argument(value: Any, name: str) -> None:
    if isinstance(value, tuple):
        check_arguments(value, name)
    elif value is None or isinstance(value, str):
        raise DeviceError(
            f"{name} is {value!r}, but kernels of a device take numbers and arrays; use device='cpu' with NumPy arrays"
        )


def there(value: Any) -> Any:
    """A value, or a tuple of such, on the present device."""
    if isinstance(value, tuple):
        return tuple(map(there, value))
    if not isinstance(value, np.ndarray):
        return value
    return constant(value) if value.size else cuda.device_array(value.shape, value.dtype)


class Made(NamedTuple):
    """A kernel, to be compiled for types when it is launched, and how its arguments are given to it."""

    kernel: Any
    items: int  # of the whole call
    tasks: int  # of an item
    places: tuple[Place, ...]
    own: tuple[Place, ...]  # those of points' own arguments
    teams: Teams | None  # None: each thread runs any task

    def arguments(self, items: int, layout: Any, x: Any, given: tuple[tuple, tuple], data: tuple) -> tuple:
        """What it takes, from points, the arguments they share and those of their own, and data."""
        shared, own = given
        return items, layout, x, (shared, as_matrices(self.own, own)), as_matrices(self.places[1:], data)

    def launch(self, items: int, *arguments: Any, stream: Any = 0) -> None:
        """Launch it over so many items."""
        if self.teams is None:
            launch(self.kernel, items * self.tasks, THREADS, items, *arguments, stream=stream)
        else:
            threads, blocks = self.teams.threads, -(-items // self.teams.items)
            shared = self.teams.shared_bytes
            launch(self.kernel, blocks * threads, threads, items, *arguments, stream=stream, shared=shared)


class JobKernels:
    """The kernels of a job, by what threads have of their own."""

    def __init__(self, block: Callable, digest: str):
        self.names = tuple(signature(block).parameters)[5:]
        self.block = compiled(block, digest, inline_helpers=True)
        self._made: dict[tuple[tuple[Place, ...], tuple[Place, ...], int], Any] = {}
        self._others: dict[tuple[tuple[Place, ...], ...], Any] = {}

    def made(self, points: Points, data: tuple, plan: Shares) -> Made:
        """The one for points whose work is shared out so.

        A block of threads takes whole items; of a few that have very many tasks several blocks share each.
        """
        tasks = int(plan.layout[1])
        items = plan.tasks // tasks
        if tasks > MOST_SHARING and items * MOST_SHARING < ENOUGH:
            places, own, teams = (), (), None
        else:
            given = places_of(self.names, points.x, data, items, tasks, points.point_args)
            places, own = given[: 1 + len(data)], given[1 + len(data) :]
            teams = teams_for(given, tasks)
        case = places, own, sharing_of(tasks)
        if case not in self._made:
            self._made[case] = cuda.jit(points_kernel(self.block, *case) if places else tasks_kernel(self.block))
        return Made(self._made[case], items, tasks, places, own, teams)

    def other(self, places: tuple[tuple[Place, ...], ...], make: Callable[[], Callable]) -> Any:
        """One that does more than the block, which is made once."""
        if places not in self._others:
            self._others[places] = cuda.jit(make())
        return self._others[places]


#: by their digests: jobs are made anew where options of a call are
_made: dict[str, JobKernels] = {}


def kernels_of(job: Job, kinds: Kinds) -> JobKernels:
    """The kernels of a job, for arguments of such types."""
    digest = digest_of(job.operation, job.roles, "native", kinds)
    if digest not in _made:
        _made[digest] = JobKernels(block_of(job.operation, job.roles, kinds), digest)
    return _made[digest]


def tasks_kernel(block: Callable) -> Callable:
    """Each thread runs a task."""

    def kernel(items, layout, points, arguments, data):
        task = cuda.grid(1)
        if task < items * layout[1]:
            block(task, 0, layout, points, arguments, *data)

    return kernel


def compile_for(made: Any, arguments: tuple, job: Job) -> None:
    """Compile a kernel, if it is not yet, to tell what a user's function lacks from what a launch does."""
    try:
        with driver_errors():  # a kernel is loaded when it is compiled
            made.compile(tuple(map(made.typeof_pyval, arguments)))
    except DeviceError:
        raise
    except Exception as error:
        raise _refusal(job.function.function, error) from cause_of(error)  # pyright: ignore[reportAttributeAccessIssue]


def _refusal(function: Any, error: Exception) -> CompilationError:
    """Why a user's function cannot be compiled for a device."""
    message, code = str(error), function.__code__
    if re.search(r"NRT required|Function\(<built-in function empty>\)", message):
        reason = "it makes an array or a list, for which threads of a device have no memory unless it can be traced"
    else:
        unknown = re.search(r"No implementation of function Function\((?!<intrinsic evaluate)(.*?)\) found", message)
        reason = f"{unknown[1]} is not known there" if unknown else message.strip().partition("\n")[0]
    return CompilationError(
        f"{function.__qualname__} cannot be compiled for a CUDA device: {reason}\n"
        f"  in the function at {code.co_filename}, line {code.co_firstlineno}\nUse device='cpu' with NumPy arrays."
    )

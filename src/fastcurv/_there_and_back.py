"""Between devices and the host: arrays of other libraries as NumPy's and back; arguments and results that are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from . import tracing
from ._inputs import ArgumentsThere, argument, lives_on_device
from ._lazy import cached_property
from .backends import _cuda_arrays as arrays
from .backends._cuda_results import broadcast, flat, has_lost, own_numbers
from .backends.cuda import constant, cuda, driver_errors, select


class Home(NamedTuple):
    """Where the arrays of a call live: a device, and an array of the kind that is meant."""

    ordinal: int
    like: Any

    def fetched(self, value: Any, name: str = "args") -> Any:
        """A value whose arrays on a device, also within tuples, are NumPy's."""
        if isinstance(value, ResidentArguments):
            return value.on_host
        if type(value) is tuple:
            return tuple(self.fetched(item, name) for item in value)
        if isinstance(value, np.ndarray) or not lives_on_device(value):
            return value
        with select(arrays.ordinal_of(value)):
            return arrays.any_array(value, name).copy_to_host()

    def arguments(self, args: tuple) -> tuple:
        """Checked arguments that all points share. Arrays of floats on the device stay there, in float64; others,
        which may steer functions, come to the host.
        """
        found = tuple(self._argument(value, f"args[{k}]") for k, value in enumerate(args))
        return ResidentArguments(self, found) if any(map(lives_on_device, leaves(found))) else found

    def _argument(self, value: Any, name: str) -> Any:
        if type(value) is tuple:
            return tuple(self._argument(item, f"{name}[{k}]") for k, item in enumerate(value))
        if not lives_on_device(value):
            return argument(value, name)
        if arrays.ordinal_of(value) == self.ordinal:
            array = arrays.any_array(value, name)
            if array.ndim and array.size and array.dtype.kind == "f":
                return array if array.dtype == np.float64 else broadcast(array, tuple(array.shape))
        return argument(self.fetched(value, name), name)

    def results(self, shape: tuple[int, ...], dtype: Any, out: Any = None) -> tuple[Any, Any]:
        """An array of the library for results, or `out`, and the same as kernels take it."""
        if out is None:
            made = arrays.empty_like(self.like, shape, np.dtype(dtype))
            return made, arrays.any_array(made, "results")
        room = arrays.writable(out, "out")
        if tuple(room.shape) != shape or room.dtype != dtype:
            raise ValueError(f"out must have shape {shape} and dtype {dtype}, got {room.shape} and {room.dtype}")
        return out, room

    def handed_over(self, made: Any, out: Any = None) -> Any:
        """Results as an array of the library, or `out`; they are complete, for any stream."""
        cuda.synchronize()
        return arrays.handed_over(made, self.like) if out is None else out

    def placed(self, value: Any) -> Any:
        """A value whose NumPy arrays, also within tuples, are arrays of the library on the device."""
        if isinstance(value, tuple):
            placed = map(self.placed, value)
            return type(value)(*placed) if hasattr(value, "_fields") else tuple(placed)
        if not isinstance(value, (np.ndarray, np.generic)):
            return value
        with select(self.ordinal):
            made, room = self.results(value.shape, value.dtype)
            if value.size:
                room.copy_to_device(np.ascontiguousarray(value).reshape(value.shape))
            return self.handed_over(made)


def leaves(args: tuple) -> Iterator[Any]:
    """What is in a tuple, and in tuples within it."""
    for value in args:
        if isinstance(value, tuple):
            yield from leaves(value)
        else:
            yield value


class ResidentArguments(ArgumentsThere):
    """Arguments that all points share, some of which are arrays on the present device."""

    _home: Home

    def __new__(cls, home: Home, args: tuple) -> ResidentArguments:
        made = super().__new__(cls, args)
        made._home = home
        return made

    @cached_property
    def numbers(self) -> Any:
        """Their real numbers there, in the order of `tracing.flattened`."""
        rows = []
        for is_there, group in groupby(tracing.numbers_of(self), lives_on_device):
            numbers = tuple(group)
            rows += numbers if is_there else filter(len, [tracing.flattened(numbers)])
        return flat(own_numbers(tuple(constant(row).reshape(1, row.size) for row in rows), 1))

    @cached_property
    def are_finite(self) -> bool:
        """Whether these are."""
        return not has_lost(self.numbers)

    @cached_property
    def on_host(self) -> tuple:
        """The same on the host, for functions that are new to us."""
        return self._home.fetched(tuple(self))


class Resident:
    """An object of results with arrays on a device.

    Those that are `ready` there are given as they are. What else is asked for, the host computes from the object that
    `make` gives, and it is placed beside them.
    """

    def __init__(self, home: Home, kind: type, make: Callable[[], Any], **ready: Any):
        self._home, self._kind, self._make, self._ready = home, kind, make, ready

    @property
    def __class__(self) -> type:  # pyright: ignore[reportIncompatibleMethodOverride]  it passes for one of that kind
        return self._kind

    @property
    def on_host(self) -> Any:
        """The same object, with NumPy's arrays."""
        return self._host

    @cached_property
    def _host(self) -> Any:
        with select(self._home.ordinal), driver_errors():
            return self._make()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._ready:
            found = getattr(self._host, name)
            self._ready[name] = self._moving(found) if callable(found) else self._home.placed(found)
        return self._ready[name]

    def _moving(self, method: Callable) -> Callable:
        """A method that takes and gives arrays on the device."""

        @wraps(method)
        def moving(*given: Any, **named: Any) -> Any:
            named = {name: self._home.fetched(value, name) for name, value in named.items()}
            return self._home.placed(method(*map(self._home.fetched, given), **named))

        return moving

    def __reduce__(self) -> tuple:
        """What is pickled is the host's object."""
        return _itself, (self._host,)

    def __copy__(self) -> Any:
        return self

    def __repr__(self) -> str:
        return repr(self._host)

    def __dir__(self) -> list[str]:
        return dir(self._host)


class ResidentModel(Resident):
    """One that is a function of points."""

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self._moving(self._host.__call__)(*given, **named)


def _itself(found: Any) -> Any:
    return found

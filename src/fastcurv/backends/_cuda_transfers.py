"""From the host to devices and back: in parts, transfers beside computations, dealt out to several devices in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from .cuda import copied, cuda, driver_errors, select

#: streams of a device: while one computes, the other moves its part
STREAMS = 2


class _Slot:
    """A stream of a device, with memory for a part there and on the host, made by `room`."""

    def __init__(
        self, ordinal: int, rows: int, sources: Sequence[np.ndarray], targets: Sequence[np.ndarray],
        run: Any, room: Any, scratch: Sequence[int],
    ):  # fmt: skip
        self._ordinal, self._sources, self._targets, self._run = ordinal, sources, targets, run
        self._part = slice(0)
        with select(ordinal):
            self._stream = cuda.stream()
            arrays = (*sources, *targets)
            self._widths = [array[:1].size if array.size else 0 for array in arrays]
            self._host = [
                room(rows * width, array.dtype) if width else array.reshape(-1)
                for array, width in zip(arrays, self._widths, strict=True)
            ]
            self._there = [
                cuda.device_array(rows * width, array.dtype) if width else copied(array)
                for array, width in zip(arrays, self._widths, strict=True)
            ]
            self._scratch = [(cuda.device_array(rows * width, targets[0].dtype), width) for width in scratch]

    def begin(self, part: slice) -> None:
        """Send a part, compute it and fetch the results; nothing is waited for."""
        count = part.stop - part.start
        pairs = [
            (host[: count * width], there[: count * width] if width else there)
            for host, there, width in zip(self._host, self._there, self._widths, strict=True)
        ]
        with select(self._ordinal):
            for source, (host, there) in zip(self._sources, pairs, strict=False):
                if source.size:
                    host[:] = source[part].reshape(-1)
                    there.copy_to_device(host, stream=self._stream)
            scratch = (there[: count * width] for there, width in self._scratch)
            self._run(self._stream, count, *(there for _, there in pairs), *scratch)
            for host, there in pairs[len(self._sources) :]:
                if host.size:
                    there.copy_to_host(host, stream=self._stream)
        self._part = part

    def wait(self) -> None:
        """Until nothing writes to this memory any more."""
        with select(self._ordinal):
            self._stream.synchronize()

    def end(self) -> None:
        """Put the results of the last part where they belong."""
        self.wait()
        part, count = self._part, self._part.stop - (self._part.start or 0)
        for target, host, width in zip(
            self._targets, self._host[len(self._sources) :], self._widths[len(self._sources) :], strict=True
        ):
            if width:
                target[part] = host[: count * width].reshape(target[part].shape)
        self._part = slice(0)


@driver_errors()
def in_parts(
    ordinals: Sequence[int],
    rows: int,
    sources: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    prepare: Callable[[int], Callable[..., None]],
    scratch: Sequence[int] = (),
) -> None:
    """Compute arrays (N, ..) from others on the host, so many rows at once.

    On the device of each number, ``prepare(ordinal)`` gives ``run(stream, count, *sources, *targets, *scratch)``, which
    computes so many rows; arrays are flat there, and `scratch` has so many numbers for each row, of the type of the
    first target.
    """
    count = len(sources[0])
    parts = [slice(first, min(first + rows, count)) for first in range(0, count, rows)]
    used = [ordinal for _ in range(STREAMS) for ordinal in ordinals][: len(parts)]
    runs = {}
    for ordinal in dict.fromkeys(used):
        with select(ordinal):
            runs[ordinal] = prepare(ordinal)
    room = cuda.pinned_array if len(parts) > 1 else np.empty  # that devices can read by themselves takes long to make
    slots = [_Slot(ordinal, min(rows, count), sources, targets, runs[ordinal], room, scratch) for ordinal in used]
    try:
        for k, part in enumerate(parts):
            slot = slots[k % len(slots)]
            slot.end()
            slot.begin(part)
        for slot in slots:
            slot.end()
    except BaseException:  # Ctrl-C, too: memory that a device still writes to must not be let go of
        for slot in slots:
            with suppress(Exception):  # of a device that has failed all calls do
                slot.wait()
        raise

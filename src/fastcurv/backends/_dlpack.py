"""Arrays of other libraries by DLPack, and ours for them, without a copy.

A library gives a capsule with a `DLManagedTensor`: where an array is, on which device, its shape, its type, and a
function that its reader calls when done. Layouts are those of https://dmlc.github.io/dlpack, before version 1, which
every library gives and takes unless it is asked for more.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

CPU, CUDA, CUDA_MANAGED = 1, 2, 13
#: the stream that our kernels run on, CUDA's default, in the protocol's words
DEFAULT_STREAM = 1
_NAME, _USED = b"dltensor", b"used_dltensor"
_KINDS = {0: "i", 1: "u", 2: "f", 5: "c", 6: "b"}
_CODES = {kind: code for code, kind in _KINDS.items()}


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Managed(ctypes.Structure):
    """A tensor, and what lets go of it."""


_Deleter = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Managed))
_Managed._fields_ = (("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", _Deleter))


def _capsule_function(name: str, result: Any, *arguments: Any) -> Any:
    return ctypes.PYFUNCTYPE(result, *arguments)((f"PyCapsule_{name}", ctypes.pythonapi))


_Destructor = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
_new = _capsule_function("New", ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, _Destructor)
_set_name = _capsule_function("SetName", ctypes.c_int, ctypes.py_object, ctypes.c_char_p)
_pointer = _capsule_function("GetPointer", ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
# a capsule that is being destroyed must not be counted: by its address
_is_valid = _capsule_function("IsValid", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)
_pointer_at = _capsule_function("GetPointer", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)


def device_of(a: Any) -> tuple[int, int] | None:
    """Kind and number of the device that an array says it is on; None if it does not speak DLPack."""
    ask = getattr(a, "__dlpack_device__", None)
    if ask is None or not hasattr(a, "__dlpack__"):
        return None
    try:
        kind, number = ask()
    except BufferError:  # of JAX's arrays that are dealt out to several devices
        return None
    return int(kind), int(number)


def is_on_cuda(a: Any) -> bool:
    """Whether an array says that it is in the memory of a CUDA device."""
    found = device_of(a)
    return found is not None and found[0] in (CUDA, CUDA_MANAGED)


def _is_contiguous(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether rows follow each other: strides of axes of length 1 mean nothing, and may be 0."""
    expected = 1
    for length, stride in zip(reversed(shape), reversed(strides), strict=True):
        if length != 1 and stride != expected:
            return False
        expected *= length
    return True


class Imported:
    """An array of another library, for those who know the CUDA array interface; it lives as long as this does."""

    def __init__(self, a: Any):
        kind, _ = device_of(a) or (CPU, 0)
        # the library makes sure that what it still computes of it is done before what we put on that stream
        capsule = a.__dlpack__() if kind == CPU else a.__dlpack__(stream=DEFAULT_STREAM)
        address = _pointer(capsule, _NAME)
        _set_name(capsule, _USED)  # from here on it is ours to let go of
        self._managed = ctypes.cast(address, ctypes.POINTER(_Managed))
        tensor = self._managed.contents.tensor
        if tensor.lanes != 1 or tensor.code not in _KINDS:
            raise TypeError(
                f"an array of numbers was expected, got DLPack's type {tensor.code} of {tensor.lanes} lanes"
            )
        dtype = np.dtype(f"{_KINDS[tensor.code]}{tensor.bits // 8}")
        shape = tuple(tensor.shape[: tensor.ndim])
        strides = tensor.strides and tuple(tensor.strides[: tensor.ndim])
        if strides and not _is_contiguous(shape, strides):
            strides = tuple(dtype.itemsize * stride for stride in strides)
        else:
            strides = None
        self.__cuda_array_interface__ = {
            "shape": shape,
            "typestr": dtype.str,
            "data": ((tensor.data or 0) + tensor.byte_offset, False),
            "strides": strides,
            "version": 3,
            "stream": None,
        }

    def __del__(self) -> None:
        managed = getattr(self, "_managed", None)
        if managed and managed.contents.deleter:
            managed.contents.deleter(managed)


class Exported:
    """An array of ours, for libraries that read DLPack: its address, and `owner`, which keeps it alive."""

    def __init__(self, address: int, shape: tuple[int, ...], dtype: np.dtype, device: tuple[int, int], owner: Any):
        self._address, self._shape, self._dtype, self._device, self._owner = address, shape, dtype, device, owner

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device

    def __dlpack__(self, **_: Any) -> Any:
        """The capsule; results are complete, so that no stream waits for anything."""
        size = len(self._shape)
        shape = (ctypes.c_int64 * max(1, size))(*self._shape)
        managed = _Managed()
        managed.tensor = _Tensor(
            self._address, *self._device, size, _CODES[self._dtype.kind], 8 * self._dtype.itemsize, 1, shape, None, 0
        )
        managed.deleter = _let_go
        address = ctypes.addressof(managed)
        _kept[address] = managed, shape, self._owner
        return _new(address, _NAME, _destroyed)


#: what readers were given and have not let go of
_kept: dict[int, tuple] = {}


@_Deleter
def _let_go(managed: Any, address_of: Any = ctypes.addressof, forget: Any = _kept.pop) -> None:
    forget(address_of(managed.contents), None)


@_Destructor
def _destroyed(
    capsule: int, is_valid: Any = _is_valid, pointer_at: Any = _pointer_at, name: bytes = _NAME, forget: Any = _kept.pop
) -> None:
    """Of a capsule that nobody read."""
    if is_valid(capsule, name):
        forget(pointer_at(capsule, name), None)


# readers may let go when Python ends and names of this module are gone: of what these need, and of themselves
for _function in (_let_go, _destroyed):
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(_function))

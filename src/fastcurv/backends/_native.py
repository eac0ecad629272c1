"""What Numba lacks for our kernels, as intrinsics: guarded calls, tasks that run by address, C pointers.

A *task* is machine code of one C signature, ``void(data, task, worker)``. Whatever the arguments of a block, `bind`
packs them into memory and makes such a task of it; so the loop over tasks is compiled once, for all kernels, and
serial and parallel runs execute the same instructions.
"""

# pyright: reportArgumentType=false
from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic, overload

WORD = ir.IntType(64)
TASK = ir.FunctionType(ir.VoidType(), [WORD, WORD, WORD])
LOOP = ir.FunctionType(ir.VoidType(), [WORD] * 5)
BOUND_BYTES = 8192


def _compiled(context, dispatcher_type, signature):
    """The compile result of a dispatcher for a signature, linked into the function being lowered."""
    result = dispatcher_type.dispatcher.get_compile_result(signature)
    context.add_linking_libs([result.library])
    return result


def _as_task(context, builder, block, inner, packed_type):
    """Define, in the module of `builder`, the task that unpacks its data and calls `block` with it."""
    task = ir.Function(builder.module, TASK, name=f"{builder.function.name}.task")
    task.linkage = "internal"
    body = ir.IRBuilder(task.append_basic_block())
    data, index, worker = task.args
    unpacked = cgutils.unpack_tuple(body, body.load(body.inttoptr(data, packed_type.as_pointer())))
    result = _compiled(context, block, inner)
    context.call_internal_no_propagate(body, result.fndesc, inner, [index, worker, *unpacked])
    body.ret_void()
    return builder.ptrtoint(task, WORD)


def _block_signature(typing_context, block, arguments):
    return typing_context.resolve_function_type(block, (types.intp, types.intp, *arguments.types), {})


@intrinsic
def run(typing_context, block, loop, first, last, workers, arguments):
    """Run ``block(task, worker, *arguments)`` for tasks `first` to `last` - 1, by the loop at address `loop`."""
    inner = _block_signature(typing_context, block, arguments)

    def codegen(context, builder, signature, values):
        packed = cgutils.alloca_once_value(builder, values[5])
        task = _as_task(context, builder, block, inner, values[5].type)
        run_loop = builder.inttoptr(values[1], LOOP.as_pointer())
        builder.call(run_loop, [task, builder.ptrtoint(packed, WORD), *values[2:5]])
        return context.get_dummy_value()

    return types.void(block, types.intp, types.intp, types.intp, types.intp, arguments), codegen


def _borrowed(context, builder, kind, value):
    """A value whose arrays are not counted as references: what Numba counts ends with the call that packs them."""
    if isinstance(kind, types.BaseTuple):
        parts = [
            _borrowed(context, builder, part, builder.extract_value(value, k)) for k, part in enumerate(kind.types)
        ]
        return context.make_tuple(builder, kind, parts)
    if isinstance(kind, types.Array):
        array = cgutils.create_struct_proxy(kind)(context, builder, value=value)
        array.meminfo = cgutils.get_null_value(array.meminfo.type)
        array.parent = cgutils.get_null_value(array.parent.type)
        return array._getvalue()
    return value


@intrinsic
def bind(typing_context, block, memory, arguments):
    """Pack `arguments` into `memory` (BOUND_BYTES bytes); the address of the task that runs `block` on them.

    The caller keeps memory and arguments alive for as long as the task may run.
    """
    inner = _block_signature(typing_context, block, arguments)

    def codegen(context, builder, signature, values):
        if context.get_abi_sizeof(values[2].type) > BOUND_BYTES:
            raise ValueError("BOUND_BYTES is too small for these arguments")
        array = cgutils.create_struct_proxy(signature.args[1])(context, builder, value=values[1])
        borrowed = _borrowed(context, builder, arguments, values[2])
        builder.store(borrowed, builder.bitcast(array.data, borrowed.type.as_pointer()))
        return _as_task(context, builder, block, inner, values[2].type)

    return types.intp(block, memory, arguments), codegen


@intrinsic
def call_task(typing_context, address, data, task, worker):
    """Call the task at an address."""

    def codegen(context, builder, signature, values):
        builder.call(builder.inttoptr(values[0], TASK.as_pointer()), values[1:])
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, types.intp), codegen


@intrinsic
def next_task(typing_context, counter):
    """Take a number from a shared counter (an array of one integer), atomically."""

    def codegen(context, builder, signature, values):
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=values[0])
        return builder.atomic_rmw("add", array.data, ir.Constant(WORD, 1), "monotonic")

    return types.intp(counter), codegen


@intrinsic
def call_guarded(typing_context, function, arguments):
    """``(raised, function(*arguments))``: an exception in `function` is reported, not propagated."""
    inner = typing_context.resolve_function_type(function, arguments.types, {})
    result_type = types.Tuple((types.boolean, inner.return_type))

    def codegen(context, builder, signature, values):
        unpacked = cgutils.unpack_tuple(builder, values[1])
        result = _compiled(context, function, inner)
        status, value = context.call_internal_no_propagate(builder, result.fndesc, inner, unpacked)
        return context.make_tuple(builder, result_type, [status.is_error, value])

    return result_type(function, arguments), codegen


@intrinsic
def read_only(typing_context, array):
    """The same array, typed read-only: a function that writes to its point does not compile."""

    def codegen(context, builder, signature, values):
        return impl_ret_borrowed(context, builder, signature.return_type, values[0])

    return array.copy(readonly=True)(array), codegen


@intrinsic
def as_floats(typing_context, numbers):
    """A tuple of numbers of any types as a tuple of float64."""
    floats = types.UniTuple(types.float64, len(numbers))

    def codegen(context, builder, signature, values):
        return context.cast(builder, values[0], signature.args[0], floats)

    return floats(numbers), codegen


@intrinsic
def call_c(typing_context, address, x, data):
    """``double f(int n, double *x, void *data)`` at an address; without the last argument where `data` is None."""

    def codegen(context, builder, signature, values):
        array = cgutils.create_struct_proxy(signature.args[1])(context, builder, value=values[1])
        n = builder.trunc(builder.extract_value(array.shape, 0), ir.IntType(32))
        arguments = [n, array.data]
        if not isinstance(data, types.NoneType):
            arguments.append(builder.inttoptr(values[2], cgutils.voidptr_t))
        function = ir.FunctionType(ir.DoubleType(), [argument.type for argument in arguments])
        return builder.call(builder.inttoptr(values[0], function.as_pointer()), arguments)

    return types.float64(types.intp, x, data), codegen


def slices(arrays, b):
    """``tuple(array[b] for array in arrays)``, for a tuple of arrays of different types."""
    return tuple(array[b] for array in arrays)


@overload(slices, inline="always")
def _slices(arrays, b):
    if len(arrays) == 0:
        return lambda arrays, b: ()
    if len(arrays) == 1:
        return lambda arrays, b: (arrays[0][b],)
    return lambda arrays, b: (arrays[0][b], *slices(arrays[1:], b))

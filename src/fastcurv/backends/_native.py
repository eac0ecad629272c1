"""What Numba lacks for our kernels, as intrinsics: guarded calls, tasks that run by address, C pointers.

A *task* is machine code of one C signature, ``void(data, task, worker)``. Whatever the arguments of a block, `bind`
packs them into memory and makes such a task of it; so the loop over tasks is compiled once, for all kernels, and
serial and parallel runs execute the same instructions.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import RequireLiteralValue, TypingError
from numba.extending import intrinsic as numba_intrinsic

from ..elements._types import Element, is_real

#: untyped: what calls an intrinsic does not pass the typing context that defines it
intrinsic: Any = numba_intrinsic
WORD = ir.IntType(64)
TASK = ir.FunctionType(ir.VoidType(), [WORD, WORD, WORD])
LOOP = ir.FunctionType(ir.VoidType(), [WORD] * 5)
BOUND_BYTES = 8192
#: so many numbers, or fewer, lie on the stack
STACKED = 2**14


def _compiled(context, dispatcher_type, signature):
    """The compile result of a dispatcher for a signature, linked into the function being lowered."""
    dispatcher = dispatcher_type.dispatcher
    if hasattr(dispatcher, "compile_device"):  # of a CUDA device
        result = dispatcher.compile_device(signature.args)
    else:
        result = dispatcher.get_compile_result(signature)
    context.add_linking_libs([result.library])
    return result


def borrowed(context, builder, kind, value):
    """A value whose arrays and strings are not counted as references.

    The caller keeps them alive; what Numba counts ends with the call that packed them, and counting takes an atomic
    operation for every slice (a third of the time of a Hessian at n = 2).
    """
    if isinstance(kind, types.BaseTuple):
        parts = [
            borrowed(context, builder, part, builder.extract_value(value, k))
            for k, part in enumerate(kind.types)  # pyright: ignore[reportAttributeAccessIssue]
        ]
        return context.make_tuple(builder, kind, parts)
    if isinstance(kind, types.Array):
        array = cgutils.create_struct_proxy(kind)(context, builder, value=value)
        array.meminfo = cgutils.get_null_value(array.meminfo.type)
        array.parent = cgutils.get_null_value(array.parent.type)
        return array._getvalue()
    if isinstance(kind, types.UnicodeType):
        text = cgutils.create_struct_proxy(kind)(context, builder, value=value)
        text.meminfo = cgutils.get_null_value(text.meminfo.type)
        text.parent = cgutils.get_null_value(text.parent.type)
        return text._getvalue()
    return value


def align_stack(function: ir.Function) -> None:
    """Let the frames of a function begin at multiples of 64 bytes.

    LLVM does not do so by itself for vectors that do not fit in registers. Where they straddled cache lines, as the
    address of the stack happened to be, eigenvalues took up to half as long again.
    """
    function.attributes.alignstack = 64
    function.attributes.add("nounwind")  # llvmlite writes the one only beside others


def _as_task(context, builder, block, inner, arguments):
    """Define, in the module of `builder`, the task that unpacks its data and calls `block` with it."""
    packed_type = context.get_value_type(arguments)
    task = ir.Function(builder.module, TASK, name=f"{builder.function.name}.task")
    task.linkage = "internal"
    align_stack(task)
    body = ir.IRBuilder(task.append_basic_block())
    data, index, worker = task.args
    packed = body.load(body.inttoptr(data, packed_type.as_pointer()))
    unpacked = cgutils.unpack_tuple(body, borrowed(context, body, arguments, packed))
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
        task = _as_task(context, builder, block, inner, arguments)
        run_loop = builder.inttoptr(values[1], LOOP.as_pointer())
        builder.call(run_loop, [task, builder.ptrtoint(packed, WORD), *values[2:5]])
        return context.get_dummy_value()

    return types.void(block, types.intp, types.intp, types.intp, types.intp, arguments), codegen


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
        builder.store(values[2], builder.bitcast(array.data, values[2].type.as_pointer()))
        return _as_task(context, builder, block, inner, arguments)

    return types.intp(block, memory, arguments), codegen


@intrinsic
def call_task(typing_context, address, data, task, worker):
    """Call the task at an address; on devices there are none, and no call that might need any stack is written."""

    def codegen(context, builder, signature, values):
        if builder.module.triple.startswith("nvptx"):
            return context.get_dummy_value()
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


def call_at_point(context, builder, function, inner, x_type, x, arguments):
    """(status, value) of ``function(x, *arguments)``, whose other parameters have defaults."""
    result = _compiled(context, function, inner)
    x = borrowed(context, builder, x_type, x)
    omitted = [context.get_constant_generic(builder, kind, kind.value) for kind in inner.args[1 + len(arguments) :]]
    return context.call_internal_no_propagate(builder, result.fndesc, inner, [x, *arguments, *omitted])


def signature_at_point(typing_context, function, x, args):
    """Of a user's function at a point: x cannot be written to, and the first of `args` is the kernel's own."""
    return typing_context.resolve_function_type(function, (x.copy(readonly=True), *args.types[1:]), {})


def is_entry(kind: types.Type) -> bool:
    """Whether values are arrays of one real number, without a dimension."""
    return isinstance(kind, types.Array) and kind.ndim == 0 and is_real(kind.dtype)


def scalar_evaluator(dispatcher):
    """``evaluate(x, args)``, a float or, of elements, an element; NaN, and ``args[0][0]`` set, where f raised.

    What `np.where` and its like give of numbers, an array of no dimension, is its entry.
    """

    @intrinsic
    def evaluate(typing_context, x, args):
        function = typing_context.resolve_value_type(dispatcher)  # that of its target: the CPU, or a CUDA device
        inner = signature_at_point(typing_context, function, x, args)
        found = x.dtype if isinstance(x.dtype, Element) else types.float64
        result = inner.return_type
        if not (is_real(result) or result == found or is_entry(result)):
            raise TypingError(f"the function must return one real number, got {result}")

        def codegen(context, builder, signature, values):
            raised, *arguments = cgutils.unpack_tuple(builder, values[1])
            status, value = call_at_point(context, builder, function, inner, x, values[0], arguments)
            flag = cgutils.create_struct_proxy(args.types[0])(context, builder, value=raised).data
            known = builder.load(flag)
            builder.store(builder.or_(known, builder.zext(status.is_error, known.type)), flag)
            nan = context.cast(builder, ir.Constant(ir.DoubleType(), float("nan")), types.float64, found)
            if not is_entry(result):
                return builder.select(status.is_error, nan, context.cast(builder, value, result, found))
            number = cgutils.alloca_once_value(builder, nan)
            with builder.if_then(builder.not_(status.is_error)):
                entry = builder.load(context.make_array(result)(context, builder, value).data)
                builder.store(context.cast(builder, entry, result.dtype, found), number)
                context.nrt.decref(builder, result, value)
            return builder.load(number)

        return found(x, args), codegen

    return evaluate


@intrinsic
def call_guarded(typing_context, function, x, args):
    """``(raised, function(x, *args[1:]))``: an exception in `function` is reported, not propagated."""
    inner = signature_at_point(typing_context, function, x, args)
    result_type = types.Tuple((types.boolean, inner.return_type))

    def codegen(context, builder, signature, values):
        arguments = cgutils.unpack_tuple(builder, values[2])[1:]
        status, value = call_at_point(context, builder, function, inner, x, values[1], arguments)
        return context.make_tuple(builder, result_type, [status.is_error, value])

    return result_type(function, x, args), codegen


@intrinsic
def stack_array(typing_context, length, like):
    """An array of a few elements of the type of `like`, on the stack: with known indices it lives in registers."""
    if not isinstance(length, types.IntegerLiteral):
        raise RequireLiteralValue("stack_array needs a length known at compile time")
    array_type = types.Array(like.dtype, 1, "C")

    def codegen(context, builder, signature, values):
        from numba.np.arrayobj import populate_array  # slow to import, and loaded by then

        element = context.get_data_type(like.dtype)
        data = cgutils.alloca_once(builder, ir.ArrayType(element, length.literal_value))
        data.align = 64  # vectors do not straddle cache lines
        array = context.make_array(array_type)(context, builder)
        size = context.get_constant(types.intp, length.literal_value)
        item = context.get_constant(types.intp, context.get_abi_sizeof(element))
        populate_array(array, builder.bitcast(data, element.as_pointer()), [size], [item], item, meminfo=None)
        return array._getvalue()

    return array_type(length, like), codegen


@intrinsic
def stack_memory(typing_context, size, like):
    """An array of so many elements of the type of `like`, on the stack until the function ends that calls this."""
    array_type = types.Array(like.dtype, 1, "C")

    def codegen(context, builder, signature, values):
        from numba.np.arrayobj import populate_array  # slow to import, and loaded by then

        element = context.get_data_type(like.dtype)
        data = builder.alloca(element, size=values[0])
        data.align = 64  # vectors do not straddle cache lines
        array = context.make_array(array_type)(context, builder)
        item = context.get_constant(types.intp, context.get_abi_sizeof(element))
        populate_array(array, data, [values[0]], [item], item, meminfo=None)
        return array._getvalue()

    return array_type(types.intp, like), codegen


@intrinsic
def alike(typing_context, values, array):
    """A tuple of numbers of any types as one of the type that an array holds."""
    uniform = types.UniTuple(array.dtype, len(values))

    def codegen(context, builder, signature, arguments):
        return context.cast(builder, arguments[0], signature.args[0], uniform)

    return uniform(values, array), codegen


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

"""The exceptions that fastcurv adds to Python's own."""


class CompilationError(TypeError):
    """A function, or a construct in it, that cannot be compiled; `vectorized` is the way out."""


class LanesError(CompilationError):
    """A function that cannot be evaluated at several points at once: one at a time it may well be."""


class TracingError(CompilationError):
    """A function that cannot be run on symbols: in numbers that carry derivatives it may well be evaluated."""


class UndecidedError(TracingError):
    """Whether a traced function is right cannot be told at the points of a call: at others it may well be."""


class LengthError(Exception):
    """A function returns another number of values than with the arguments that it was tried with; caught by us."""

    def __init__(self, length: int):
        super().__init__(f"the function returns {length} values")
        self.length = length


class DeviceError(RuntimeError):
    """No such device, or the optional package that drives it is not installed."""


class StoreError(RuntimeError):
    """A store that holds another scan, or is damaged."""

"""What takes the place of real numbers in a user's function, and what NumPy's expressions do with arrays of it.

An `Element` is a number that carries derivatives, or lanes; what single ones do is taught where they are defined.
"""

from ._types import NUMPY_NAMES, Element, LazyVector, is_real

__all__ = ["NUMPY_NAMES", "Element", "LazyVector", "is_real", "teach_arrays"]


def teach_arrays() -> None:
    """Teach Numba what functions may do with arrays of elements, and powers of 0 (it takes time to import)."""
    from . import _element_wise, _powers, _printing, _rewrites, _whole  # noqa: F401  what they teach Numba

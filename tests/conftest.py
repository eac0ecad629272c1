"""What all tests share."""

import gc
from typing import Any

import pytest

# what Numba knows of thousands of compilations is not garbage, and to look through it is a tenth of the time
gc.set_threshold(100_000, 50, 100)

_states: dict[Any, Any] = {}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give each test the first numbers of its module's generator, whichever tests ran before it in its process."""
    rng = getattr(getattr(item, "module", None), "rng", None)
    if rng is not None:
        rng.bit_generator.state = _states.setdefault(id(rng), rng.bit_generator.state)

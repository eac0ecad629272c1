"""What all tests share."""

from typing import Any

import pytest

_states: dict[Any, Any] = {}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give each test the first numbers of its module's generator, whichever tests ran before it in its process."""
    rng = getattr(getattr(item, "module", None), "rng", None)
    if rng is not None:
        rng.bit_generator.state = _states.setdefault(id(rng), rng.bit_generator.state)

"""Optional packages, imported where they are first used and never at `import fastcurv`."""

import importlib
from typing import Any


def _require(module: str, extra: str) -> Any:
    """Import and return `module`; where it is missing, say which extra of fastcurv brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f'{module} is needed here and cannot be imported ({error}): pip install "fastcurv[{extra}]"'
        ) from error

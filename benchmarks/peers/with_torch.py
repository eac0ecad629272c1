"""PyTorch: torch.func.vmap(hessian), eager, float64."""

from functools import partial

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

from ..cases import Case
from .array_forms import FORMS, family
from .peer import Run

NAME = "torch"
MOST_POINTS = 1000


def prepare(case: Case, points: np.ndarray) -> Run:
    torch.set_num_threads(1)
    args = [torch.from_numpy(a) for a in case.args]
    hessian = torch.func.hessian(partial(FORMS[family(case.name)], torch))
    hessians = torch.func.vmap(lambda x: hessian(x, *args))
    x = torch.from_numpy(points)
    return lambda: hessians(x)


def prepare_eigh(a: np.ndarray) -> tuple[Run, Run]:
    """Eigenvalues with and without vectors."""
    torch.set_num_threads(1)
    matrices = torch.from_numpy(a)
    return lambda: torch.linalg.eigh(matrices), lambda: torch.linalg.eigvalsh(matrices)

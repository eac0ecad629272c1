"""PyTorch: torch.func.vmap(hessian), eager, float64; spectra of Hessians in the type of the points, on any device."""

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


def prepare_spectra(case: Case, points: np.ndarray, device: str) -> Run:
    """Eigenvalues of Hessians."""
    kinds = [getattr(torch, str(points.dtype if a.dtype.kind == "f" else a.dtype)) for a in case.args]
    args = [torch.as_tensor(a, dtype=kind, device=device) for a, kind in zip(case.args, kinds, strict=True)]
    hessian = torch.func.hessian(partial(FORMS[family(case.name)], torch))
    hessians = torch.func.vmap(lambda x: hessian(x, *args))
    x = torch.as_tensor(points, device=device)
    return lambda: torch.linalg.eigvalsh(hessians(x))


def prepare_eigh(a: np.ndarray, device: str = "cpu") -> tuple[Run, Run]:
    """Eigenvalues with and without vectors."""
    torch.set_num_threads(1)
    matrices = torch.as_tensor(a, device=device)
    return lambda: torch.linalg.eigh(matrices), lambda: torch.linalg.eigvalsh(matrices)

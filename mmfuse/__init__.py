"""mmfuse: fuse per-modality feature files into one matrix, aligned by row id.

    fused = mmfuse.fuse("concat", {"image": "a.npy", "text": dataframe}, normalize="l2")
    fused.ids, fused.matrix, fused.columns

The public names below are what the command line calls. They load on first use, because importing
NumPy takes longer than printing a help page.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmfuse.aligning import align
    from mmfuse.api import check, fuse, inspect
    from mmfuse.applying import apply, fit, go_on, merge
    from mmfuse.catalogue import list_normalizations, list_strategies
    from mmfuse.converting import convert
    from mmfuse.core.time_options import TimeOptions
    from mmfuse.errors import MmfuseError
    from mmfuse.fusion_estimators import FusionClassifier, FusionRegressor
    from mmfuse.model import Model
    from mmfuse.models import load
    from mmfuse.report import explain
    from mmfuse.trained_model import TrainedModel
    from mmfuse.training import predict, train, train_on
    from mmfuse.work import Fused

__version__ = "0.1.0"
__all__ = [
    "Fused",
    "FusionClassifier",
    "FusionRegressor",
    "MmfuseError",
    "Model",
    "TimeOptions",
    "TrainedModel",
    "__version__",
    "align",
    "apply",
    "check",
    "convert",
    "explain",
    "fit",
    "fuse",
    "go_on",
    "inspect",
    "list_normalizations",
    "list_strategies",
    "load",
    "merge",
    "predict",
    "train",
    "train_on",
]

_HOMES = {
    "FusionClassifier": "mmfuse.fusion_estimators",
    "FusionRegressor": "mmfuse.fusion_estimators",
    "Fused": "mmfuse.work",
    "Model": "mmfuse.model",
    "apply": "mmfuse.applying",
    "fit": "mmfuse.applying",
    "go_on": "mmfuse.applying",
    "load": "mmfuse.models",
    "merge": "mmfuse.applying",
    "MmfuseError": "mmfuse.errors",
    "TimeOptions": "mmfuse.core.time_options",
    "TrainedModel": "mmfuse.trained_model",
    "predict": "mmfuse.training",
    "train": "mmfuse.training",
    "train_on": "mmfuse.training",
    "align": "mmfuse.aligning",
    "convert": "mmfuse.converting",
    "explain": "mmfuse.report",
    "list_normalizations": "mmfuse.catalogue",
    "list_strategies": "mmfuse.catalogue",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'mmfuse' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES.get(name, "mmfuse.api")), name)

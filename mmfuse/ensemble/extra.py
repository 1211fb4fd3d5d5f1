"""scikit-learn, which only what learns with it imports, and only when it learns."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from mmfuse.errors import UsageError


def require_sklearn(module: str) -> Any:
    """`sklearn.<module>`, imported now. Raises UsageError where there is no scikit-learn."""
    if importlib.util.find_spec("sklearn") is None:
        raise UsageError("this learns with scikit-learn", hint="pip install 'mmfuse[learn]'")
    return importlib.import_module(f"sklearn.{module}")

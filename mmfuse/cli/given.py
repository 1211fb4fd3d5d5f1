"""Options that several commands share, as the arguments of the public functions."""

from __future__ import annotations

from typing import Any

from mmfuse.cli.options import per_modality, per_modality_chain, per_modality_list
from mmfuse.errors import UsageError

Given = list[str] | None


def reading(
    ids: Given,
    id_column: Given,
    column: Given,
    sidecar: bool,
    input_format: Given,
    pool: Given,
    pool_mask_zeros: bool,
    id_transform: Given,
) -> dict[str, Any]:
    """How inputs are read."""
    return {
        "ids": per_modality(ids or (), str, "--ids"),
        "id_column": per_modality(id_column or (), str, "--id-column"),
        "column": per_modality_list(column or ()),
        "sidecar": sidecar,
        "input_format": per_modality_chain(input_format or ()),
        "pool": per_modality(pool or (), str, "--pool"),
        "pool_mask_zeros": pool_mask_zeros,
        "id_transform": per_modality_chain(id_transform or ()),
    }


def matching(by_position: bool, require_ids: bool) -> str:
    """Whether rows meet by id or by position. Raises UsageError for both."""
    if by_position and require_ids:
        raise UsageError("--by-position and --require-ids exclude each other")
    return "position" if by_position else "id" if require_ids else "auto"

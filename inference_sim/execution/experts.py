"""Rows that the kernels of a mixture of experts compute: whole tiles, for each expert."""

from __future__ import annotations

from inference_sim.models import Experts


def tile_rows(tokens: float, experts: int, tokens_per_expert: float) -> float:
    """Return the mean number of rows, in whole tiles, that an expert computes for its tokens.

    The tiles are those of vLLM's fused kernel (`get_default_config` of fused_moe.py): 16 rows while
    an iteration has no more tokens than there are experts, 64 beyond. The last tile of an expert
    is taken as half full.

    Args:
        tokens: Tokens of the iteration.
        experts: Experts of a layer.
        tokens_per_expert: Mean tokens of an expert that has any.
    """
    tile = 16 if tokens <= experts else 64
    return max(tile, tokens_per_expert + tile / 2)


def padded_rows(experts: Experts, groups: int, tokens: float, tile: int) -> float:
    """Return the rows that a GPU computes where each of its experts has whole tiles to itself.

    DeepGEMM's contiguous layout, by which vLLM 0.11 and 0.12 run fp8 experts, aligns the rows of
    each expert to `tile` = 128: with E experts on a GPU at least 128 E rows are computed, whatever
    the batch ("the padding wastes up to 94 % of compute" at decode, vLLM pull request 39327;
    `compute_aligned_M` of vLLM's deep_gemm_utils.py). Beyond, the last tile of an expert is taken
    as half full.

    Args:
        experts: Experts of a layer.
        groups: Groups of GPUs that hold different experts (expert_parallel).
        tokens: Tokens of the iteration.
        tile: Rows of a tile.
    """
    tokens_per_expert = tokens * experts.per_token / experts.count
    return experts.count / groups * max(tile, tokens_per_expert + tile / 2)

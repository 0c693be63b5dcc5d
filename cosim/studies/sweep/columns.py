"""Names of the figures of a run that a sweep writes, which no axis may have."""

from __future__ import annotations

RUN_COLUMNS = (
    "seed", "total_g", "per_1k_tokens_g", "import_g", "stored_g", "embodied_g", "gross_g",
    "facility_kwh", "import_kwh", "export_kwh", "solar_kwh", "self_sufficiency", "battery_cycles",
    "j_per_token", "cost", "currency", "attainment", "ttft_p50_s", "ttft_p99_s", "tpot_p50_s",
    "tpot_p99_s", "arrived", "completed", "backlog", "rejected", "late", "output_tokens", "mfu",
    "facility_power_w", "load_state", "failure",
)  # fmt: skip
"""Figures of a run that a sweep writes."""
FIGURES = tuple(
    name for name in RUN_COLUMNS if name not in ("seed", "currency", "load_state", "failure")
)
"""Those that are numbers, of which a case has means."""

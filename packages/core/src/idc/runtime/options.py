"""How a run is computed, as a pipeline file says it; needs no torch."""

from typing import Literal

from pydantic import StrictBool

NumberFormat = Literal["fp32", "bf16"]
Precision = Literal["fp32", "bf16", "auto"]
"""Number format of convolutions; ``auto`` is bfloat16 where the hardware computes it, else float32."""
Compile = StrictBool | Literal["auto"]
"""Whether steps are compiled; ``auto`` where the work ahead is worth it."""

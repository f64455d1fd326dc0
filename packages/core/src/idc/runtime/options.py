"""Execution options of a pipeline file; does not import torch."""

from typing import Literal

from pydantic import StrictBool

NumberFormat = Literal["fp32", "bf16"]
Precision = Literal["fp32", "bf16", "auto"]
"""Number format of convolutions; ``auto`` is bfloat16 if the hardware supports it, else float32."""
Compile = StrictBool | Literal["auto"]
"""Whether steps are compiled; ``auto`` if the remaining work makes it worthwhile."""

"""A pipeline that runs in seconds."""

from typing import Any

from idc.config.pipeline import Pipeline

TABLE: dict[str, Any] = {
    "name": "small",
    "method": "idc",
    "images_per_class": 2,
    "iterations": 2,
    "inner_steps": 2,
    "dataset": {"type": "digits", "size": 8},
    "model": {"type": "convnet", "depth": 2, "width": 4},
    "init": {"type": "mix"},
    "decoder": {"type": "multiformation", "factor": 2},
    "augment": [{"type": "dsa"}],
    "sampler": {"type": "epoch", "batch_size": 8},
    "objective": {"type": "gradient"},
    "networks": {"type": "real", "images": 100},
    "optimizer": {"learning_rate": 0.01},
    "baseline": [{"name": "random", "init": {"type": "random"}, "decoder": {"type": "raw"}}],
    "evaluate": [{"type": "retrain", "runs": 2, "epochs": 3}],
}


def small_pipeline(**overrides: object) -> Pipeline:
    """The small pipeline with other values at dotted keys, written with double underscores for dots."""
    return Pipeline.parse(TABLE).override({key.replace("__", "."): value for key, value in overrides.items()})

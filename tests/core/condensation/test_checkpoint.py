"""Checkpoints: whole or refused, and a condensation that goes on from one ends at the same bits."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from idc.condensation import checkpoint
from idc.condensation.group import Group
from idc.condensation.loop import Condensation, condense
from idc.data.fingerprint import digest
from idc.errors import InputError, Notice, RunError
from idc.files.atomic import previous
from small import small_pipeline


def begun(steps: int, **overrides: object) -> Condensation:
    """A condensation of three classes by the small pipeline, so many steps on."""
    plan = small_pipeline(evaluate=[], baseline=[], dataset__classes=["0", "1", "2"], **overrides)
    condensation = condense(plan, device="cpu")
    for _ in range(steps):
        next(condensation)
    return condensation


def ended(condensation: Condensation) -> dict[str, torch.Tensor]:
    """The codes at the end."""
    list(condensation)
    return condensation.synset().codes


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


CASES: dict[str, dict[str, Any]] = {
    "idc": {"iterations": 3, "inner_steps": 3},
    "every": {"iterations": 5, "inner_steps": 2, "networks": {"type": "real", "images": 60, "every": 3}},
    "dc": {"iterations": 3, "inner_steps": 2, "networks": {"type": "synthetic", "epochs": 2}},
    "dm": {
        "iterations": 4,
        "inner_steps": 1,
        "networks": {"type": "frozen"},
        "objective": {"type": "feature"},
    },
    "average": {"iterations": 2, "inner_steps": 2, "optimizer__average": 1.0},
    "batch-norm": {
        "iterations": 2,
        "inner_steps": 3,
        "model": {"type": "convnet", "depth": 2, "width": 4, "norm": "batch"},
    },
    "adamw": {
        "iterations": 2,
        "inner_steps": 3,
        "networks": {"type": "real", "images": 60, "training": {"optimizer": "adamw"}},
    },
    # Graphs as small as they can be: full batches only, and no augmentation.
    "compiled": {
        "iterations": 2,
        "inner_steps": 2,
        "compile": True,
        "model": {"type": "convnet", "depth": 1, "width": 4},
        "augment": [],
        "init": {"type": "random"},
        "decoder": {"type": "raw"},
        "networks": {"type": "real", "images": 64, "training": {"augment": []}},
    },
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "compiled" else name for name in CASES]
)
def test_going_on_from_any_step_ends_at_the_same_bits(tmp_path: Path, name: str) -> None:
    walking = begun(0, **CASES[name])
    expected = ended(begun(0, **CASES[name]))
    file = tmp_path / "checkpoint.safetensors"
    for steps in range(len(walking) + 1):
        checkpoint.save(file, walking, seconds=1.5)
        next(walking, None)
        read = checkpoint.read(file)
        assert (read.header.step, read.header.seconds) == (steps, 1.5)
        again = begun(0, **CASES[name])
        checkpoint.restore(read, again)
        assert again.steps_done == steps
        assert same(ended(again), expected), steps
        assert again.iteration == CASES[name]["iterations"]


def test_going_on_gives_the_same_losses(tmp_path: Path) -> None:
    # A sum over weights whose names are not in alphabetical order, as they are in a file.
    matched = {"type": "gradient", "metric": "cos", "bias": True, "fc": True}
    fields: dict[str, Any] = {"iterations": 1, "inner_steps": 4, "objective": matched}
    walking, again = begun(1, **fields), begun(0, **fields)
    file = tmp_path / "checkpoint.safetensors"
    checkpoint.save(file, walking, seconds=0.0)
    checkpoint.restore(checkpoint.read(file), again)
    assert [float(step.loss) for step in again] == [float(step.loss) for step in walking]


def test_a_network_is_only_kept_where_it_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.safetensors"
    kept: list[bool] = []
    for steps in range(4):
        checkpoint.save(file, begun(steps, iterations=3), seconds=0.0)
        kept.append(checkpoint.read(file).header.network is not None)
    assert kept == [False, True, False, True]


def test_the_one_before_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.safetensors"
    condensation = begun(1)
    checkpoint.save(file, condensation, seconds=0.0)
    next(condensation)
    checkpoint.save(file, condensation, seconds=0.0)
    assert checkpoint.read(file).header.step == 2
    assert checkpoint.read(previous(file)).header.step == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.previous.safetensors", file.name]


def test_one_that_cannot_be_verified_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "checkpoint.safetensors"
    condensation = begun(1)
    checkpoint.save(file, condensation, seconds=0.0)
    before = file.read_bytes()

    def torn(path: Path, tensors: Any, header: Any) -> None:
        save_file(tensors, path, header.metadata())
        path.write_bytes(path.read_bytes()[:-4] + b"\0\1\2\3")

    monkeypatch.setattr(checkpoint, "write_tensors", torn)
    next(condensation)
    with pytest.raises(InputError, match=r"checkpoint.*safetensors: damaged; .*tensors"):
        checkpoint.save(file, condensation, seconds=0.0)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_every_damaged_byte_is_found(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.safetensors"
    checkpoint.save(file, begun(1), seconds=0.0)
    content = file.read_bytes()
    for position in range(0, len(content), 97):
        damaged = bytearray(content)
        damaged[position] ^= 1
        file.write_bytes(damaged)
        try:
            read = checkpoint.read(file)
        except InputError:
            continue
        # In the header a digit can become another digit; the tensors are as they were.
        assert digest(read.tensors) == read.header.tensors
    for length in (0, 5, 100, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:length])
        with pytest.raises(InputError):
            checkpoint.read(file)


def rewritten(file: Path, change: Any) -> None:
    """The checkpoint with another header or other tensors, and a hash that fits."""
    tensors = {name: tensor.clone() for name, tensor in load_file(file).items()}
    header = checkpoint.read(file).header.model_dump(mode="json", exclude_none=True)
    change(header, tensors)
    header["tensors"] = digest(tensors)
    save_file(tensors, file, {checkpoint.CheckpointHeader.key: json.dumps(header)})


UNFIT = r"^--resume: .*tensors do not fit.*--overwrite"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header, tensors: tensors.pop("codes.images"), UNFIT),
        (lambda header, tensors: tensors.update({"codes.images": torch.zeros(3)}), UNFIT),
        (lambda header, tensors: tensors.update({"optimizer.velocity.images": torch.zeros(1)}), UNFIT),
        (lambda header, tensors: tensors.update({"network.optimizer.velocity.x": torch.zeros(1)}), UNFIT),
        (lambda header, tensors: header.pop("network"), "has no network, which step 1 needs"),
        (lambda header, tensors: header.update(fingerprint="0"), "the training data .*fingerprint"),
        (lambda header, tensors: header.update(test_fingerprint="0"), "the test data .*fingerprint"),
        (lambda header, tensors: header.update(format=99), r"checkpoint format 99\b.*\b4; upgrade"),
        (lambda header, tensors: header.update(step=-1), "(?s)checkpoint.*step: -1 is not allowed"),
        (lambda header, tensors: header.update(step=10**9), r"--resume: .*step 10{9}\b.* 4; .*iterations"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    file = tmp_path / "checkpoint.safetensors"
    checkpoint.save(file, begun(1), seconds=0.0)
    rewritten(file, change)
    with pytest.raises(InputError, match=message):
        checkpoint.restore(checkpoint.read(file), begun(0))


def test_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        checkpoint.read(tmp_path / "checkpoint.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="not a checkpoint"):
        checkpoint.read(tmp_path / "other.safetensors")


def test_codes_that_diverge_stop_at_the_last_finite_ones() -> None:
    condensation = begun(1, optimizer__learning_rate=1e30)
    before = condensation.synset().codes if condensation.steps_done else {}
    with pytest.raises(
        RunError,
        match=r"class '0' .*not finite in iteration 1 of 2, inner step 2; .*"
        r"optimizer\.learning_rate = 1e\+30: lower it\..* step 1\b",
    ):
        list(condensation)
    assert condensation.steps_done == 1
    assert same(condensation.synset().codes, before)
    assert all(bool(code.isfinite().all()) for code in condensation.codes().values())


@pytest.mark.parametrize("look", [Condensation.state, Condensation.synset])
def test_codes_that_were_not_looked_at_are_not_kept(
    look: Callable[[Condensation], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        # As within an iteration on a GPU.
        patch.setattr(Group, "refuse_infinite", lambda group: None)
        condensation = begun(3, optimizer__learning_rate=1e30)
    with pytest.raises(RunError, match="reset to step 0"):
        look(condensation)
    assert condensation.steps_done == 0
    assert all(bool(code.isfinite().all()) for code in condensation.synset().codes.values())
    # It goes on with the networks of those steps.
    gentle = small_pipeline().optimizer
    condensation.pipeline = condensation.group.pipeline = condensation.pipeline.model_copy(
        update={"optimizer": gentle}
    )
    assert same(ended(condensation), ended(begun(0)))


def test_a_network_that_diverges_is_named_as_the_cause() -> None:
    training = {"learning_rate": 1e30}
    condensation = begun(0, networks={"type": "real", "images": 200, "training": training})
    with pytest.raises(RunError, match=r"the learning rate in \[networks\.training\], as the network is not"):
        list(condensation)
    assert all(bool(code.isfinite().all()) for code in condensation.codes().values())


def test_a_damaged_one_does_not_take_the_place_of_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.safetensors"
    condensation = begun(1)
    checkpoint.save(file, condensation, seconds=0.0)
    next(condensation)
    checkpoint.save(file, condensation, seconds=0.0)
    file.write_bytes(file.read_bytes()[:-9])
    next(condensation)
    checkpoint.save(file, condensation, seconds=0.0)
    assert checkpoint.read(file).header.step == 3
    assert checkpoint.read(previous(file)).header.step == 1


def test_an_interrupted_step_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = ended(begun(0))
    condensation = begun(1)
    before = {name: code.clone() for name, code in condensation.codes().items()}

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("idc.condensation.inner_step.ClassMatch.__call__", interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(condensation)
    assert same(condensation.codes(), before)
    assert same(ended(condensation), expected)
    assert condensation.steps_done == len(condensation)


def test_going_on_under_other_conditions_is_noted(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.safetensors"
    checkpoint.save(file, begun(1), seconds=0.0)
    rewritten(file, lambda header, tensors: header["computed"].update(threads=64))
    with pytest.warns(Notice, match=r"differ.*: threads 64 then, \d+ now"):
        checkpoint.restore(checkpoint.read(file), begun(0))

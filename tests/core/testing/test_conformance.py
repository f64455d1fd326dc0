"""Every installed stage keeps the promises of its kind, and the checks notice when one does not."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from jaxtyping import TypeCheckError
from torch import Tensor

from dataset_files import write_all
from idc import testing
from idc.kinds import (
    Augmentation,
    Decoder,
    Initializer,
    Labeller,
    Model,
    Network,
    Networks,
    Objective,
    PixelDecoder,
    Sampler,
    Split,
)
from idc.network.view import NetworkView
from idc.seeding import Streams
from idc.shapes import Batch, Codes, Draw
from idc.spec import ImageSpec
from idc.testing import SPEC
from idc.training.pool import Pool
from installed_stages import by_type, installed

LARGER = SPEC.model_copy(update={"height": 40, "width": 40})
"""Images that every network takes."""


@pytest.mark.parametrize("stage", installed("dataset"), ids=by_type)
def test_datasets(stage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_all(tmp_path, monkeypatch)
    testing.check_dataset(stage, tmp_path)


@pytest.mark.parametrize("stage", installed("model"), ids=by_type)
def test_models(stage: Any) -> None:
    testing.check_model(stage, LARGER)


@pytest.mark.parametrize("decoder", installed("decoder"), ids=by_type)
@pytest.mark.parametrize("stage", installed("init"), ids=by_type)
def test_initializers(stage: Any, decoder: Any) -> None:
    testing.check_initializer(stage, decoder)


@pytest.mark.parametrize("stage", installed("decoder"), ids=by_type)
def test_decoders(stage: Any) -> None:
    testing.check_decoder(stage)
    narrow = SPEC.model_copy(update={"height": 7, "width": 5})
    testing.check_decoder(stage, narrow, images_per_class=1)


@pytest.mark.slow
def test_a_decoder_that_stores_16_bits() -> None:
    testing.check_decoder(
        Decoder.implementation("gsdd").model_validate({"gaussians": 2, "fit_steps": 3, "storage": "fp16"})
    )


@pytest.mark.parametrize("stage", installed("augment"), ids=by_type)
def test_augmentations(stage: Any) -> None:
    # Kornia's crop reads its borders from the device.
    testing.check_augmentation(stage, reads_values=stage.type == "imagenet")


def test_every_dsa_operation_and_mode() -> None:
    stage = Augmentation.implementation("dsa")
    for mode in ("idc", "single", "all"):
        testing.check_augmentation(
            stage.model_validate({"strategy": "flip_color_crop_scale_rotate_translate_cutout", "mode": mode})
        )


@pytest.mark.parametrize("stage", installed("sampler"), ids=by_type)
def test_samplers(stage: Any) -> None:
    testing.check_sampler(stage)


@pytest.mark.parametrize("stage", installed("objective"), ids=by_type)
def test_objectives(stage: Any) -> None:
    testing.check_objective(stage)


@pytest.mark.parametrize("metric", ["mse", "l1", "l1_mean", "cos"])
def test_every_metric(metric: str) -> None:
    testing.check_objective(
        Objective.implementation("gradient").model_validate({"metric": metric, "fc": True, "bias": True})
    )


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("gradient", {"flip_invariant": True}),
        ("feature", {"metric": "l1"}),
        ("attention", {"power": 4}),
        ("mmd", {"bandwidths": [0.5]}),
        ("moments", {"history": 2.0, "history_from": 0}),
        ("sum", {"terms": [{"objective": {"type": "moments", "history": 2.0, "history_from": 0}}]}),
    ],
)
def test_other_fields_of_objectives(name: str, fields: dict[str, Any]) -> None:
    testing.check_objective(Objective.implementation(name).model_validate(fields))


@pytest.mark.parametrize("stage", installed("optimizer"), ids=by_type)
def test_optimizers(stage: Any) -> None:
    testing.check_optimizer(stage)


@pytest.mark.parametrize("stage", installed("networks"), ids=by_type)
def test_networks(stage: Any) -> None:
    testing.check_networks(stage)


def test_networks_of_a_pool() -> None:
    pool = {"networks": 1, "epochs": [0, 1, 2]}
    testing.check_networks(
        Networks.implementation("real").model_validate({"pool": pool, "perturbation": {}, "images": 20})
    )
    testing.check_networks(
        Networks.implementation("between").model_validate({"pool": pool, "perturbation": {"high": 0.5}})
    )


@pytest.mark.parametrize("stage", installed("labels"), ids=by_type)
def test_labellers(stage: Any) -> None:
    testing.check_labeller(stage)


def test_other_fields_of_labellers() -> None:
    fields = {
        "pool": {"networks": 2, "epochs": [0, 1]},
        "networks": 1,
        "wrong": "one-hot",
        "temperature": 4.0,
    }
    testing.check_labeller(Labeller.implementation("teacher").model_validate(fields))


class Silent(Networks):
    type: str = "silent"
    companions: ClassVar[frozenset[str]] = frozenset({"trained"})

    def start(self, iteration: int, previous: Any, model: Model, real: Any, streams: Streams) -> Network:
        return model.fresh(real.spec, streams)

    def train(self, network: Network, real: Any, synthetic: Any) -> Network:
        return network


def test_networks_without_what_they_declare_are_noticed() -> None:
    with pytest.raises(AssertionError, match="companions differ from those declared"):
        testing.check_networks(Silent())


class Careless(Pool):
    """A pool that breaks the promise its field names."""

    promise: str

    def fingerprint(self, model: Model, real: Split) -> str:
        return "same" if self.promise == "fingerprint" else super().fingerprint(model, real)

    def training_images(self, real: Split) -> int:
        return 0 if self.promise == "images" else super().training_images(real)

    def try_training(self, model: Model, real: Split) -> int:
        if self.promise == "kept":
            self.train(0, model, real, lambda fraction: None)
        return 0 if self.promise == "tried" else super().try_training(model, real)

    def train(self, number: int, model: Model, real: Split, progress: Callable[[float], None]) -> None:
        progress(2.0 if self.promise == "progress" else 1.0)
        if self.promise == "drawn":
            torch.rand(1)
        if self.promise != "written":
            super().train(number, model, real, lambda fraction: None)
        if self.promise == "same":
            with self.files(model, real)[number].open("ab") as file:
                file.write(os.urandom(8))


class Started(Silent):
    type: str = "started"
    promise: str

    def pools(self) -> tuple[Pool]:
        return (Careless(networks=1, epochs=(1.0,), promise=self.promise),)


@pytest.mark.parametrize(
    ("promise", "complaint"),
    [
        ("fingerprint", "does not depend on the data"),
        ("images", "nothing would be trained"),
        ("kept", "try_training.* has kept a network"),
        ("tried", "no image was tried"),
        ("progress", "progress is not between 0 and 1"),
        ("drawn", "global generator"),
        ("written", r"train\(0, …\) does not write .*network-0"),
        ("same", "trained again has another file"),
    ],
)
def test_broken_pools_are_noticed(promise: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        testing.check_networks(Started(promise=promise))


@pytest.mark.parametrize("stage", installed("evaluate"), ids=by_type)
def test_evaluators(stage: Any) -> None:
    testing.check_evaluator(stage, *testing.toy_synset())


class Broken(PixelDecoder):
    """A decoder that breaks the promise its field names."""

    type: str = "broken"
    promise: str

    def decode(self, codes: Codes, labels: Tensor, spec: ImageSpec) -> Batch:
        images = codes["images"]
        match self.promise:
            case "range":
                return Batch(images + 1, labels)
            case "labels":
                return Batch(images, labels * 0)
            case "count":
                return Batch(torch.cat([images, images]), labels)
            case "derivative":
                return Batch(images.detach() + 0 * images, labels)
            case "constant":
                return Batch(torch.zeros_like(images.detach()) + 0.5, labels)
            case "finite":
                return Batch(images.clamp(0.1, 1) + (images - images).sqrt(), labels)
            case _:
                return Batch(images[..., 1:], labels)


@pytest.mark.parametrize(
    ("promise", "complaint"),
    [
        ("range", "a value is above 1"),
        ("labels", "label of another class"),
        ("count", "not one label for each|parameters of idc.shapes.Batch"),
        ("derivative", "gradients .*codes are zero"),
        ("constant", "the images do not depend on the codes"),
        ("finite", "a gradient is not finite"),
        ("shape", r"decoded images .*shape \(2, 3, 8, 7\)"),
    ],
)
def test_broken_decoders_are_noticed(promise: str, complaint: str) -> None:
    # Where shapes are checked, as in these tests, a batch with too few labels cannot even be made.
    with pytest.raises((AssertionError, TypeCheckError), match=complaint):
        testing.check_decoder(Broken(promise=promise))


class Deaf(Objective):
    type: str = "deaf"
    how: str

    def distance(self, net: NetworkView, real: Batch, syn: Batch) -> Tensor:
        match self.how:
            case "zero":
                return (syn.images * 0).sum()
            case "vector":
                return syn.images.mean((1, 2, 3))
            case "infinite":
                return syn.images.sum() / 0
            case "constant":
                return real.images.mean()
            case _:
                return (syn.images + torch.rand(())).sum()


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ("zero", "the gradient is zero"),
        ("vector", r"distance .*\(2,\).* scalar"),
        ("infinite", "not finite"),
        ("constant", "does not depend on syn.images"),
        ("random", "same batches .*different distances"),
    ],
)
def test_broken_objectives_are_noticed(how: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        testing.check_objective(Deaf(how=how))


class Unbounded(PixelDecoder):
    """Codes that may have any value, of which only the images are clamped."""

    type: str = "unbounded"

    def decode(self, codes: Codes, labels: Tensor, spec: ImageSpec) -> Batch:
        return Batch(codes["images"] * 2 - 1, labels)

    def encode(self, images: Tensor, images_per_class: int, spec: ImageSpec, streams: Streams) -> Codes:
        return {"images": (images[:, :images_per_class] + 1) / 2}

    def project(self, codes: Codes, spec: Any) -> Codes:
        return codes


def test_codes_that_are_not_pixels_may_go_unprojected() -> None:
    testing.check_decoder(Unbounded())


class Nameless(Objective):
    def distance(self, net: NetworkView, real: Batch, syn: Batch) -> Tensor:
        return ((syn.images.mean(0) - real.images.mean(0)) ** 2).sum()


def test_a_stage_without_a_name_is_noticed() -> None:
    with pytest.raises(AssertionError, match=r"class has no .*name; declare type: Literal"):
        testing.check_objective(Nameless(type="x"))


class Restless(Augmentation):
    type: str = "restless"
    how: str

    def draw(self, count: int, shape: tuple[int, int, int], generator: torch.Generator) -> Draw:
        source = None if self.how == "global" else generator
        return Draw({"offset": torch.rand(2 if self.how == "siamese" else count, generator=source)})

    def apply(self, images: Tensor, draw: Draw) -> Tensor:
        if self.how == "siamese":
            return images * torch.arange(len(images)).view(-1, 1, 1, 1)
        return images + draw.parameters["offset"].view(-1, 1, 1, 1)


@pytest.mark.parametrize(
    ("how", "complaint"), [("global", "global generator|other parameters"), ("siamese", "differently")]
)
def test_broken_augmentations_are_noticed(how: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        testing.check_augmentation(Restless(how=how))


class Greedy(Sampler):
    type: str = "greedy"

    def real(self, members: Tensor, step: int, streams: Streams, refreshed: Tensor | None = None) -> Tensor:
        return members[[0, 0]]

    def synthetic(self, count: int, step: int, streams: Streams) -> Tensor:
        return torch.arange(count)


def test_a_broken_sampler_is_noticed() -> None:
    with pytest.raises(AssertionError, match="image is selected twice"):
        testing.check_sampler(Greedy())


class Forgetful(Initializer):
    type: str = "forgetful"

    def codes(
        self, decoder: Decoder, images_per_class: int, real: Any, model: Model, streams: Streams
    ) -> Codes:
        shape = (len(real.spec.classes), images_per_class, *real.spec.shape)
        return {"images": torch.rand(shape)}


def test_a_broken_initializer_is_noticed() -> None:
    with pytest.raises(AssertionError, match="from the global generator"):
        testing.check_initializer(Forgetful())

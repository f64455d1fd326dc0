"""torchvision's networks by name: adapted to the data, reproducible, never downloaded."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from golden_cases import assert_exact
from idc.errors import InputError
from idc.network.network import Network
from idc.seeding import Streams
from idc.testing import check_model
from idc.testing.assertions import global_generator_untouched
from idc.testing.toy import toy_split
from idc.training.recipe import Training
from idc_models.torchvision import EfficientNet, Torchvision
from messages import assert_names

from .model_cases import (
    assert_gradients_can_be_matched,
    feature_shapes,
    image_spec,
    network_of,
)


@pytest.mark.parametrize(
    ("name", "arguments", "size", "features"),
    [
        ("resnet18", {}, 64, (512,)),
        ("resnet18", {"width_per_group": 64, "zero_init_residual": True}, 64, (512,)),
        ("alexnet", {}, 64, (4096,)),
        ("densenet121", {"bn_size": 2, "drop_rate": 0.1}, 64, (1024,)),
        ("googlenet", {}, 64, (1024,)),
        ("inception_v3", {}, 128, (2048,)),
        ("maxvit_t", {"input_size": [224, 224]}, 224, (512,)),
        ("regnet_x_400mf", {}, 64, (400,)),
        ("squeezenet1_1", {}, 64, (512, 3, 3)),
        ("swin_t", {}, 64, (768,)),
        ("vit_b_32", {"image_size": 64}, 64, (768,)),
    ],
)
def test_each_gives_logits_and_what_its_last_layer_is_given(
    name: str, arguments: dict[str, Any], size: int, features: tuple[int, ...]
) -> None:
    model, spec = Torchvision(name=name, arguments=arguments), image_spec(height=size, classes=7)
    with torch.device("meta"):
        assert model.build(spec).eval()(torch.empty(2, 3, size, size)).shape == (2, 7)
    assert feature_shapes(model, spec) == [features]


def test_efficientnet_is_b0() -> None:
    with torch.device("meta"):
        module = EfficientNet().build(image_spec(height=224, classes=1000))
    # Table 2 of the paper: 5.3 million parameters; the last features are 1280 channels.
    assert sum(parameter.numel() for parameter in module.parameters()) == 5_288_548
    assert feature_shapes(EfficientNet(), image_spec(height=224)) == [(1280,)]
    check_model(EfficientNet(), image_spec(height=33))


def test_one_channel_is_repeated() -> None:
    model = Torchvision(name="resnet18")
    grey, colour = (network_of(model, image_spec(channels, 33)) for channels in (1, 3))
    images = torch.rand(2, 1, 33, 33, dtype=torch.float64)
    assert_exact(grey.logits(images), colour.logits(images.repeat(1, 3, 1, 1)))
    check_model(model, image_spec(1, 33))


def test_dropout_follows_the_seed() -> None:
    network = network_of(EfficientNet(), image_spec(height=33))
    images = torch.rand(4, 3, 33, 33, dtype=torch.float64)
    drawn: list[torch.Tensor] = []
    for address in (0, 0, 1):
        with global_generator_untouched(), Streams(0).seeded("layers", address):
            drawn.append(network.logits(images))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_training_is_reproducible() -> None:
    split = toy_split(2, image_spec(height=33))
    recipe = Training(batch_size=2)
    trained = []
    for _ in range(2):
        network = network_of(EfficientNet(), split.spec)
        network = Network.of(network.module.float(), network.streams)
        for _ in range(2):
            network = recipe.step(network, split, recipe.preprocessing(split))
        trained.append(network.weights)
    assert all(torch.equal(trained[0][name], trained[1][name]) for name in trained[0])


@pytest.mark.parametrize(
    "model", [EfficientNet(), Torchvision(name="resnet18")], ids=lambda model: model.type
)
def test_gradients_can_be_matched(model: Any) -> None:
    assert_gradients_can_be_matched(model, image_spec(height=48))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": "resnet81"}, ("name\n", "'resnet81'", "torchvision.models", "'resnet18'?")),
        ({"name": "ResNet"}, ("name\n", "'ResNet'", "torchvision.models", "'resnet18'")),
        ({"name": "deeplabv3_resnet50"}, ("name\n", "'deeplabv3_resnet50'", "classification network")),
        (
            {"name": "resnet18", "arguments": {"weights": "DEFAULT"}},
            ("arguments\n", " weights ", "never downloaded", "remove it"),
        ),
        (
            {"name": "resnet18", "arguments": {"num_classes": 3}},
            ("arguments\n", " num_classes ", "the dataset", "remove it"),
        ),
        ({}, ("name\n  Field required",)),
    ],
)
def test_tables_that_cannot_be_are_refused(fields: dict[str, Any], problem: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as error:
        Torchvision.model_validate(fields)
    assert_names(str(error.value), *problem)


@pytest.mark.parametrize(
    ("fields", "spec", "problem"),
    [
        (
            {"name": "vit_b_16"},
            image_spec(),
            ("model: vit_b_16 ", "32x32 pixels", "Expected 224", "size or", "network", "model.arguments"),
        ),
        ({"name": "alexnet"}, image_spec(), ("model: alexnet ", "32x32 pixels", "too small", "size or")),
        (
            {"name": "resnet18", "arguments": {"widht": 2}},
            image_spec(),
            ("model.arguments: resnet18 ", "{'widht': 2}", "unexpected keyword argument 'widht'"),
        ),
        (
            {"name": "googlenet", "arguments": {"aux_logits": True}},
            image_spec(height=224),
            ("model.arguments: googlenet ", "logits", "remove aux_logits"),
        ),
        (
            {"name": "resnet18"},
            image_spec(channels=2),
            ("model: ", "1 or 3 channels", "these have 2", "another model", "'convnet'"),
        ),
    ],
)
def test_images_that_do_not_fit_are_refused(
    fields: dict[str, Any], spec: Any, problem: tuple[str, ...]
) -> None:
    with torch.device("meta"), pytest.raises(InputError) as error:
        Torchvision.model_validate(fields).build(spec)
    said = str(error.value)
    assert said.startswith(problem[0])
    assert_names(said, *problem)

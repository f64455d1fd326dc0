"""DREAM's clustering against the golden tensors (float64), and the stages that select by it."""

import pytest
import torch
from pydantic import ValidationError

from golden_cases import assert_exact, golden_convnet, load_golden
from idc.data.split import Split
from idc.errors import InputError
from idc.spec import ImageSpec
from idc.stages.decoders.multiformation import MultiFormation
from idc.stages.decoders.raw import Raw
from idc.stages.initializers.k_means import KMeans as Initial
from idc.stages.samplers.k_means import KMeans
from idc.testing import SPEC, ToyModel, toy_split
from idc.testing.toy import STREAMS
from idc.training.embedding import embed
from idc.training.k_means import clustered, most_central, nearest
from messages import assert_names

CASES = [
    ("plain", "query"),
    ("plain", "query_match"),
    ("plain", "query_tiny"),
    ("duplicates", "query"),
    ("duplicates", "query_match"),
]


@pytest.mark.parametrize(("name", "query"), CASES)
def test_centres_and_images_are_the_public_codes(name: str, query: str) -> None:
    case = load_golden(f"dream_kmeans_{name}")
    features, wanted = case["embeddings"], case[f"{query}.centroids"]
    centers = clustered(features, case[f"{query}.first"], "zero")
    assert_exact(centers, wanted)
    count = int(case.header["clusters"])
    if query == "query_tiny":
        assert torch.equal(most_central(features, centers, count), case["query_tiny.chosen"])
        return
    chosen = nearest(features, centers, count // len(centers), repeats=True)
    # Images of a cluster of two are equally far from its centre, up to rounding.
    found, expected = (
        torch.cdist(centers, features).gather(1, each.view(len(centers), -1))
        for each in (chosen, case[f"{query}.chosen"])
    )
    assert_exact(found, expected)


def test_an_image_is_selected_for_every_empty_cluster_only_where_that_is_asked_for() -> None:
    case = load_golden("dream_kmeans_duplicates")
    features, first = case["embeddings"], case["query.first"]
    assert len(nearest(features, clustered(features, first)).unique()) == len(first)
    repeated = nearest(features, clustered(features, first, "zero"), repeats=True)
    assert len(repeated.unique()) == int(case.header["distinct_chosen"])


@pytest.mark.parametrize("name", ["plain", "duplicates"])
def test_features_of_images_that_are_not_normalised_are_the_public_codes(name: str) -> None:
    case = load_golden(f"dream_kmeans_{name}")
    images = case["images"]
    spec = ImageSpec(
        channels=3, height=8, width=8, classes=tuple("abcd"), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)
    )
    split = Split(images, torch.zeros(len(images), dtype=torch.int64), spec)
    network, members = golden_convnet(case, 4), torch.arange(len(images))
    assert_exact(embed(network, split, members, normalised=False), case["embeddings"])


def test_a_cluster_that_loses_its_images_starts_again_far_away() -> None:
    features = torch.tensor([[0.0], [0.1], [0.2], [9.0], [9.1], [30.0]])
    centers = clustered(features, torch.tensor([0, 0, 0]))
    assert sorted(round(float(center), 4) for center in centers) == [0.1, 9.05, 30.0]


def test_every_centre_gets_images_of_its_own() -> None:
    features = torch.tensor([[0.0], [1.0], [5.0], [6.0]])
    assert nearest(features, torch.tensor([[0.1], [0.2], [0.3]])).tolist() == [0, 1, 2]
    assert nearest(features, torch.tensor([[0.1], [0.2]]), 2).tolist() == [0, 1, 2, 3]
    assert nearest(features, torch.tensor([[0.1], [0.2]]), 2, repeats=True).tolist() == [0, 1, 0, 1]


def test_a_sample_of_a_class_is_clustered_where_it_is_limited() -> None:
    split, network = toy_split(60), ToyModel().fresh(SPEC, STREAMS)
    sampler = KMeans(batch_size=5, max_images=10)
    chosen = [sampler.refresh(split.members[0], split, network, step, STREAMS) for step in (0, 10)]
    assert [len(each) for each in chosen] == [5, 5]
    assert chosen[0].tolist() != chosen[1].tolist()


def test_several_images_are_selected_from_each_of_fewer_clusters() -> None:
    split, network = toy_split(60), ToyModel().fresh(SPEC, STREAMS)
    one, three = (
        KMeans(batch_size=6, per_cluster=each).refresh(split.members[1], split, network, 0, STREAMS)
        for each in (1, 3)
    )
    assert len(set(three.tolist())) == 6
    assert set(three.tolist()) != set(one.tolist())
    assert split.labels[three].tolist() == [1] * 6


def test_a_batch_of_uneven_clusters_is_refused() -> None:
    with pytest.raises(ValidationError, match="batch_size 10 is not a multiple of per_cluster 4"):
        KMeans(batch_size=10, per_cluster=4)
    with pytest.raises(InputError) as error:
        Initial(per_cluster=3).codes(Raw(), 4, toy_split(), ToyModel(), STREAMS)
    assert_names(str(error.value), "init.per_cluster", "'raw'", " 4 ", "multiple of 3")


def test_initial_images_are_the_samplers_with_the_same_network() -> None:
    split = toy_split(30)
    codes = Initial().codes(Raw(), 5, split, ToyModel(), STREAMS)
    assert codes["images"].shape == (2, 5, *SPEC.shape)
    initial = Initial()
    network = initial.features.network(ToyModel(), split, STREAMS)
    assert network.batches == 0, "the network is not trained by default"
    for label, members in enumerate(split.members):
        generator = STREAMS.generator("k-means", label)
        chosen = initial.selected(5, network, split, members, generator, -1, "layer")
        assert torch.equal(codes["images"][label], split.images(chosen))


def test_the_decoder_is_filled() -> None:
    split = toy_split(30)
    codes = Initial().codes(MultiFormation(factor=2), 2, split, ToyModel(), STREAMS)
    assert codes["images"].shape == (2, 2, *SPEC.shape)
    with pytest.raises(InputError) as error:
        Initial().codes(MultiFormation(factor=2), 2, toy_split(7), ToyModel(), STREAMS)
    assert_names(str(error.value), "images_per_class: ", "'left'", " 7 ", "'k-means'", " 8", "at most 1")

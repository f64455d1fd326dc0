"""DREAM's clustering."""

import torch

from golden_cases import assert_exact, load_golden
from idc.stages.samplers.k_means import KMeans, clustered, nearest
from idc.testing import SPEC, ToyModel, toy_split
from idc.testing.toy import STREAMS


def test_centres_are_the_public_codes_where_no_cluster_is_empty() -> None:
    case = load_golden("dream_kmeans_plain")
    wanted = case.tensors["query_match.centroids"]
    assert bool(wanted.flatten(1).any(1).all()), "a cluster of the golden case is empty"
    assert_exact(clustered(case.tensors["embeddings"], case.tensors["query_match.first"]), wanted)


def test_a_cluster_that_loses_its_images_starts_again_far_away() -> None:
    features = torch.tensor([[0.0], [0.1], [0.2], [9.0], [9.1], [30.0]])
    centers = clustered(features, torch.tensor([0, 0, 0]))
    assert sorted(round(float(center), 4) for center in centers) == [0.1, 9.05, 30.0]


def test_every_centre_gets_an_image_of_its_own() -> None:
    features = torch.tensor([[0.0], [1.0], [5.0]])
    assert nearest(features, torch.tensor([[0.1], [0.2], [0.3]])).tolist() == [0, 1, 2]


def test_a_sample_of_a_class_is_clustered_where_it_is_limited() -> None:
    split, network = toy_split(60), ToyModel().fresh(SPEC, STREAMS)
    sampler = KMeans(batch_size=5, max_images=10)
    chosen = [sampler.refresh(split.members[0], split, network, step, STREAMS) for step in (0, 10)]
    assert [len(each) for each in chosen] == [5, 5]
    assert chosen[0].tolist() != chosen[1].tolist()

"""How many epochs a published protocol trains, and when the learning rate drops."""

import pytest

from idc import condense
from idc.experiment.score import evaluate as scores
from idc.stages.evaluators.retrain import Retrain
from small import small_pipeline


@pytest.mark.parametrize("epochs", [51, 78, 301, 501, 1001])
def test_dcs_rate_drops_after_the_epoch_that_its_code_names(epochs: int) -> None:
    # DC's code trains Epoch + 1 epochs and divides the rate by 10 after epoch Epoch // 2 + 1.
    asked_for = epochs - 1
    last_at_the_first_rate = asked_for // 2 + 1
    retrain = Retrain.model_validate({"protocol": "dc-2021", "epochs": epochs})
    first = retrain.training.learning_rate
    assert retrain.learning_rate(last_at_the_first_rate, epochs) == first
    assert retrain.learning_rate(last_at_the_first_rate + 1, epochs) == pytest.approx(0.1 * first)


def test_epochs_by_images_count_at_most_the_images_that_are_matched(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    monkeypatch.setattr(
        "idc.stages.evaluators.protocol_evaluator.epochs_by_images",
        lambda images, classes: counted.append(images) or 1,
    )
    evaluate = [{"type": "retrain", "epochs": "by-images", "runs": 1, "milestones": []}]
    bound = {"type": "multiformation", "factor": 3, "mode": "bound", "bound": 12, "evaluate": "single"}
    pipeline = small_pipeline(images_per_class=3, iterations=0, decoder=bound, evaluate=evaluate, baseline=[])
    run = condense(pipeline, device="cpu")
    list(scores(run.synset(), run.data, device="cpu"))
    assert len(run.synset()) == 10 * 27
    assert counted == [run.synset().matched_per_class]
    assert counted[0] <= 12

"""The field's standard evaluation: train new networks on the synset alone and test them on real images."""

from collections.abc import Callable
from typing import ClassVar, Literal, final

from idc.kinds import Evaluator, EvaluatorInputs, Model, Scores, Streams
from idc.stages.evaluators.protocol_evaluator import ProtocolEvaluator, refuse_other_images
from idc.training.recipe import accuracy


@final
class Retrain(ProtocolEvaluator):
    """Accuracy after the last epoch, over several networks.

    ``protocol`` provides every field that the table omits; the report names the fields that it changes.
    """

    outside_protocol: ClassVar[frozenset[str]] = Evaluator.outside_protocol | {"best"}

    type: Literal["retrain"] = "retrain"
    best: bool = False
    """Whether to also report the best accuracy of each run, tested after each quarter of the epochs. It is
    selected on the test split, so never the main result."""

    def score(
        self,
        inputs: EvaluatorInputs,
        model: Model,
        streams: Streams,
        progress: Callable[[float], None],
    ) -> Scores:
        """Accuracy of a new network on the test split, and with `best` the best of those measured.

        Raises:
            InputError: the synset's images or classes differ from the dataset's.
        """
        split = inputs.synthetic
        refuse_other_images(split.spec, inputs.test.spec)
        epochs = self.epochs_of(len(split), inputs.matched_per_class, split.spec)
        tested = {epochs * quarter // 4 for quarter in (1, 2, 3)} if self.best else set[int]()
        fresh = model.fresh(split.spec, streams, split.device)
        accuracies: list[float] = []
        for done, network in enumerate(self.trained(fresh, split, epochs), 1):
            if done in tested or done == epochs:
                accuracies.append(accuracy(network, inputs.test, split.spec))
            progress(done / epochs)
        scores: Scores = {"accuracy": accuracies[-1]}
        if self.best:
            scores["best accuracy on the test split"] = max(accuracies)
        return scores

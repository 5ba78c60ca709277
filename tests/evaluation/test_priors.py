"""A network under the uniform prior."""

import numpy as np
import pytest

from mien.errors import InputError, UnknownNameError
from mien.evaluation.priors import under_prior
from mien.modelfile import Head, ModelInfo
from mien.preprocess import InputSpec


def info(prior):
    return ModelInfo(
        name="x",
        heads=(
            Head(name="a", labels=("common", "rare"), prior=prior, temperature=2.0),
            Head(name="b", labels=("one", "two"), prior=(0.5, 0.5)),
        ),
        input=InputSpec(),
        architecture="none",
    )


def predict(faces):
    return {name: np.tile(np.float32([1, 0]), (len(faces), 1)) for name in ("a", "b")}


def test_rare_labels_gain_what_their_rarity_took():
    weighed = under_prior(predict, info((0.9, 0.1)), "uniform")(np.zeros((3, 4, 4), np.uint8))
    # Logits 1 and 0 less 2 log 0.9 and 2 log 0.1.
    np.testing.assert_allclose(weighed["a"], np.tile([1.21072, 4.60517], (3, 1)), atol=1e-4)
    assert weighed["a"].dtype == np.float32
    same = weighed["b"]  # equally frequent before: only a constant is added
    np.testing.assert_allclose(same[:, 0] - same[:, 1], 1, atol=1e-6)


def test_the_training_prior_is_the_network_itself():
    assert under_prior(predict, info(None), "training") is predict


def test_a_record_without_frequencies_is_refused_before_anything_runs():
    with pytest.raises(InputError, match=r"The head 'a' .* cannot be balanced"):
        under_prior(predict, info(None), "uniform")


def test_an_unknown_prior_suggests_close_ones():
    with pytest.raises(UnknownNameError, match=r"No prior is called 'unifrom'.*uniform"):
        under_prior(predict, info(None), "unifrom")

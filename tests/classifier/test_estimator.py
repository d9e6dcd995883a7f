"""The estimator keeps scikit-learn's conventions and answers with what is served."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from classifier import LABELS, Model, load
from classifier.data import read
from classifier.estimator import CommentClassifier
from classifier.groups import ENGLISH
from classifier.train import learn, train_group

TEXTS = ["you moron", "what a loser you are", "the bread is warm", "music for the river"] * 5


def _targets() -> np.ndarray:
    wanted = np.full((len(TEXTS), len(LABELS)), np.nan, dtype=np.float32)
    wanted[:, 1] = [1, 1, 0, 0] * 5
    return wanted


def test_it_is_an_estimator() -> None:
    """Arguments are stored as they are, clones are alike and unfitted, and fitting returns the estimator."""
    made = CommentClassifier(strength=2.0)
    assert made.get_params() == {"strength": 2.0, "least_texts": 4}
    assert clone(made).get_params() == made.get_params()
    with pytest.raises(NotFittedError):
        made.predict_proba(["x"])
    assert made.fit(TEXTS, _targets()) is made
    assert made.classes_ == list(LABELS)
    with pytest.raises(NotFittedError):
        clone(made).decision_function(["x"])


def test_it_learns_what_is_labelled_and_leaves_the_rest_even() -> None:
    """A label without targets has even odds for every text."""
    made = CommentClassifier().fit(TEXTS, _targets())
    found = made.predict_proba(["you moron", "the bread"])
    assert found[0, 1] > 0.5 > found[1, 1]
    assert (found[:, 0] == 0.5).all()
    assert made.predict(["you moron", "the bread"])[:, 1].tolist() == [1, 0]


def test_no_texts_have_no_probabilities() -> None:
    """An empty list gives an empty matrix of the right width."""
    assert CommentClassifier().fit(TEXTS, _targets()).predict_proba([]).shape == (0, len(LABELS))


def test_what_was_trained_is_what_is_served(tmp_path, data) -> None:
    """Probabilities of the estimator are those of the file it becomes, to the last decimal."""
    corpus = read(data)
    made = learn(corpus.split("train"), corpus.split("dev"))
    served: Model = load(train_group(ENGLISH, data, tmp_path / "a.model"))
    texts = [row.text for row in corpus.rows[:50]]
    scores = [[getattr(one, label) for label in LABELS] for one in served.score(texts)]
    assert made.predict_proba(texts).tolist() == scores

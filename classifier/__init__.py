"""Score comments for spam and toxicity: normalised text, hashed features, linear heads.

    from classifier import load
    model = load()
    scores = model.score(["a comment", "another"])

Scoring needs numpy (and fasttext for the language); scikit-learn is for training only.
"""

from classifier.artifact import ModelError
from classifier.context import Context
from classifier.explain import Explanation
from classifier.model import Model, load
from classifier.scores import LABELS, Scores

__all__ = ["LABELS", "Context", "Explanation", "Model", "ModelError", "Scores", "load"]

"""One small model, trained once on invented comments; and the model that comes with the package."""

from pathlib import Path

import pytest

from classifier import Model, load
from classifier.groups import ENGLISH
from classifier.train import train_group
from tests.classifier import samples


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory of 800 invented comments."""
    directory = tmp_path_factory.mktemp("data")
    samples.write_data(directory, samples.rows(800, seed=1))
    return directory


@pytest.fixture(scope="session")
def small_file(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a model trained on `data`."""
    path = tmp_path_factory.mktemp("model") / "small.model"
    return train_group(ENGLISH, data, path)


@pytest.fixture(scope="session")
def small(small_file: Path) -> Model:
    return load(small_file)


@pytest.fixture(scope="session")
def model() -> Model:
    """The model that comes with the package."""
    return load()

"""Models of both kinds, what was learned and what was trained: where they are, read and written."""

from __future__ import annotations

import os

from mmfuse.described_file import described_by
from mmfuse.files.inputs import InputFile, open_input
from mmfuse.files.output import OutputFile, writing
from mmfuse.model import Model
from mmfuse.model_file import KEY as LEARNED
from mmfuse.model_file import read_model, write_model
from mmfuse.trained_file import KEY as TRAINED
from mmfuse.trained_file import read_trained, write_trained
from mmfuse.trained_model import TrainedModel

Path = str | os.PathLike[str]
_NAME = "model.safetensors"


def load_any(model: Model | TrainedModel | Path) -> Model | TrainedModel:
    """A model from its file or folder. Raises ModelError for what is none, InputError if none is
    there."""
    if isinstance(model, Model | TrainedModel):
        return model
    path = place_of(model)
    trained = described_by(open_input(path, path), [LEARNED, TRAINED]) == TRAINED
    return read_trained(path) if trained else read_model(path)


def write_any(model: Model | TrainedModel, file: OutputFile) -> None:
    """Write a model, all but what makes the file appear. Raises OutputError."""
    if isinstance(model, TrainedModel):
        write_trained(model, file)
    else:
        write_model(model, file)


def is_any(file: InputFile) -> bool:
    """Whether a file is a model, as far as its header tells."""
    return described_by(file, [LEARNED, TRAINED]) is not None


def place_of(model: Path) -> str:
    """The file of a model that is named by it or by its folder."""
    path = os.fspath(model)
    return os.path.join(path, _NAME) if os.path.isdir(path) or path.endswith(os.sep) else path


def placed(output: Path | None) -> str | None:
    """Where a model is to be written; a folder that is named with a slash is made if it has to
    be."""
    if output is None:
        return None
    path = place_of(output)
    if os.fspath(output).endswith(os.sep):
        with writing(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
    return path

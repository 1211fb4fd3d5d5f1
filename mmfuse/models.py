"""Models of both kinds, what was learned and what was trained: where they are, read and written."""

from __future__ import annotations

from mmfuse.described_file import described_by
from mmfuse.files.inputs import InputFile, open_input
from mmfuse.files.output import OutputFile
from mmfuse.model import Model
from mmfuse.model_file import KEY as LEARNED
from mmfuse.model_file import read_model, write_model
from mmfuse.saving import Path, place_of
from mmfuse.trained_file import KEY as TRAINED
from mmfuse.trained_file import read_trained, write_trained
from mmfuse.trained_model import TrainedModel


def load(model: Model | TrainedModel | Path) -> Model | TrainedModel:
    """A model from its file or folder. Raises ModelError for what is none, InputError if none is
    there."""
    if isinstance(model, Model | TrainedModel):
        return model
    path = place_of(model)
    file = open_input(path, path)  # once: it may be a stream
    trained = described_by(file, [LEARNED, TRAINED]) == TRAINED
    return read_trained(file) if trained else read_model(file)


def write_any(model: Model | TrainedModel, file: OutputFile) -> None:
    """Write a model, all but what makes the file appear. Raises OutputError."""
    if isinstance(model, TrainedModel):
        write_trained(model, file)
    else:
        write_model(model, file)


def is_any(file: InputFile) -> bool:
    """Whether a file is a model, as far as its header tells."""
    return described_by(file, [LEARNED, TRAINED]) is not None

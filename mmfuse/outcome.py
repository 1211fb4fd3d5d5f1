"""What comes of learning: a model, told of and drawn, in files that appear with the output."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from mmfuse.saving import Saving

if TYPE_CHECKING:
    from mmfuse.files.output import OutputFile
    from mmfuse.model import Model
    from mmfuse.running import Done
    from mmfuse.trained_model import TrainedModel
    from mmfuse.work import Asked


class Outcome:
    """The files of a model and of its picture, opened before the work.

    learned: the model of a job that is done, if one comes of it. Raises UsageError or OutputError.
    """

    def __init__(
        self, asked: Asked, learned: Callable[[Done], Model | TrainedModel | None] | None
    ) -> None:
        self._learned, self._report = learned, asked.report
        clobber, dry = asked.wanted.clobber, asked.dry_run
        save = None if asked.save is None else os.fspath(asked.save)
        self._plot = None if asked.plot is None else os.fspath(asked.plot)
        if self._plot is not None:
            from mmfuse.plot import require

            require(self._plot)
        self._picture = Saving(
            self._plot, clobber, dry_run=dry, what="picture", example="spectrum.svg"
        )
        try:
            self._saving = Saving(save, clobber, dry_run=dry)
        except BaseException:
            self._picture.close()
            raise

    def protect(self, others: Sequence[str]) -> list[str]:
        """Raise UsageError if a file would replace one of these; returns where they are."""
        self._saving.protect(others)
        own = [] if self._saving.path is None else [self._saving.path]
        self._picture.protect([*others, *own])
        return own + ([] if self._plot is None else [self._plot])

    def of(self, done: Done) -> tuple[Model | TrainedModel | None, list[OutputFile]]:
        """The model, and the files that are to appear."""
        model = None if self._learned is None else self._learned(done)
        if model is None:
            return None, []
        done.summary.learned = model.learned_from
        from mmfuse.model import Model
        from mmfuse.models import write_any

        files = self._saving.write(partial(write_any, model))
        if self._plot is not None and done.summary.scores is not None:
            from mmfuse.score_plot import draw_scores

            files += self._picture.write(partial(draw_scores, done.summary.scores))
        elif isinstance(model, Model) and (self._report or self._plot is not None):
            from mmfuse.report import explain

            told = explain(model)
            done.summary.report = told.as_dict()
            if self._plot is not None:
                from mmfuse.plot import draw

                files += self._picture.write(partial(draw, told))
        return model, files

    def close(self) -> None:
        """Give up what has not appeared."""
        self._saving.close()
        self._picture.close()

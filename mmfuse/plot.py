"""A picture of a model: its spectrum, and what each modality weighs and keeps."""

from __future__ import annotations

import importlib.util
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from mmfuse.errors import UsageError
from mmfuse.files.output import OutputFile, write_all, writing
from mmfuse.files.paths import short, suffix

if TYPE_CHECKING:
    from mmfuse.report import ModalityReport, Report

SUFFIXES = (".svg", ".png", ".pdf")
_MOST = 100
_NAME = 40  # characters
BLUE, GREY, ORANGE = "#2b6cb0", "#a0aec0", "#dd6b20"


def require(path: str) -> None:
    """Raise UsageError unless a picture of this name can be drawn."""
    if suffix(path) not in SUFFIXES:
        raise UsageError(
            f"no picture can be written to {path!r}", hint="name it .svg, .png or .pdf"
        )
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("drawing needs matplotlib", hint="pip install 'mmfuse[plot]'")


def draw(told: Report, file: OutputFile) -> None:
    """Write the picture into a file; see `saved`."""
    from matplotlib.figure import Figure

    spectrum = bool(told.spectrum)
    with plainly():
        figure = Figure(figsize=(9 if spectrum else 5, 3.6), layout="constrained")
        axes = figure.subplots(1, 2 if spectrum else 1, squeeze=False)[0]
        if spectrum:
            _spectrum(axes[0], told)
        _modalities(axes[-1], told.modalities)
        saved(figure, file)


@contextmanager
def plainly() -> Iterator[None]:
    """Draw with the settings of matplotlib itself, whatever a `matplotlibrc` says.

    The one in the working folder counts first, whoever put it there, and may have text set by TeX.
    """
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name whose letters no font has is drawn as boxes
        matplotlib.rcdefaults()
        matplotlib.rcParams["svg.hashsalt"] = "mmfuse"
        yield


def saved(figure: Any, file: OutputFile) -> None:
    """Write a figure, drawn `plainly`, into a file of the kind that its suffix says."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    content = io.BytesIO()
    kind = suffix(file.path)[1:]
    undated: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    figure.savefig(content, format=kind, metadata=undated.get(kind), dpi=150)
    with writing(file.path):
        write_all(file.fd, content.getvalue(), 0)


def _spectrum(axis: Any, told: Report) -> None:
    values = np.array(told.spectrum[:_MOST])
    kept = sum(one.strength is not None for one in told.components)
    numbers = np.arange(1, len(values) + 1)
    axis.plot(numbers, values, color=GREY, lw=1, zorder=1)
    axis.scatter(numbers[:kept], values[:kept], s=14, color=BLUE, label=f"{kept:,} kept", zorder=2)
    if len(values) > kept:
        axis.scatter(numbers[kept:], values[kept:], s=8, color=GREY, label="left out", zorder=2)
    if told.chance:
        chance = told.chance[: len(values)]
        axis.plot(numbers[: len(chance)], chance, color=ORANGE, lw=1.2, label="shuffled rows")
    axis.set(xlabel="component", ylabel=told.measure, title=f"{told.strategy}: spectrum")
    axis.set_ylim(bottom=min(0.0, float(values.min(initial=0))))
    axis.legend(frameon=False, fontsize=8)
    _plain(axis)


def _modalities(axis: Any, modalities: list[ModalityReport]) -> None:
    bars = [
        ("energy as stored", GREY, [m.share for m in modalities]),
        ("energy normalised", ORANGE, [m.share_after for m in modalities]),
    ]
    if all(m.kept is not None for m in modalities):
        bars.append(("variance kept", BLUE, [m.kept or 0.0 for m in modalities]))
    height = 0.8 / len(bars)
    places = np.arange(len(modalities))
    for k, (label, colour, shares) in enumerate(bars):
        axis.barh(places + (k - (len(bars) - 1) / 2) * height, shares, height, color=colour,
                  label=label)  # fmt: skip
    axis.set_yticks(places, [shown(m.name) for m in modalities])
    axis.invert_yaxis()
    axis.set(xlim=(0, 1), xlabel="share", title="modalities")
    axis.legend(frameon=False, fontsize=8)
    _plain(axis)


def shown(name: str) -> str:
    """A name as text that is not mathematics."""
    return short(name, _NAME).replace("$", r"\$")


def _plain(axis: Any) -> None:
    axis.spines[["top", "right"]].set_visible(False)

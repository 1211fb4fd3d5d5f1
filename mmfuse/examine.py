"""What `check` does: ids compared pair by pair, then a sample of the features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from mmfuse.core.condense import Block, Condenser
from mmfuse.core.dependence import FEWEST, Dependence, around, dependence, sample
from mmfuse.core.diagnosis import Meeting, Named, identity, repeated
from mmfuse.core.finding import SEVERITIES, Finding, Severity
from mmfuse.core.ids import Ids, Rows
from mmfuse.core.match import numbers
from mmfuse.core.overlap import overlap
from mmfuse.core.plan import Way
from mmfuse.core.source import Matrix, Source, Taken
from mmfuse.files.blas import one_blas_thread
from mmfuse.files.inputs import reading
from mmfuse.files.scratch import ScratchRoom
from mmfuse.verdict import told, told_few, told_positions

_PIECE_BYTES = 64 << 20
_MEMORY_BYTES = 256 << 20
_LEARNED = 2_000  # rows that tell the scale of the columns


@dataclass(frozen=True)
class Test:
    """The dependence of the features of two modalities; `by`: how their rows were paired."""

    modalities: tuple[str, str]
    by: str
    result: Dependence


@dataclass(frozen=True)
class Check:
    """What `check` found.

    modalities: name, file, rows, columns and ids of each. overlap: how many ids are in just these
    modalities. findings: the worst first. tests: of the features.
    """

    modalities: tuple[dict[str, Any], ...]
    overlap: tuple[tuple[tuple[str, ...], int], ...]
    findings: tuple[Finding, ...]
    tests: tuple[Test, ...]

    @property
    def verdict(self) -> Severity:
        """The worst there is: ok, note or wrong."""
        return max((f.severity for f in self.findings), key=SEVERITIES.index, default="ok")

    def as_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "mmfuse_check": 1,
            "verdict": self.verdict,
            "modalities": list(self.modalities),
            "overlap": [{"modalities": list(names), "ids": n} for names, n in self.overlap],
            "findings": [asdict(finding) for finding in self.findings],
            "tests": [
                {"modalities": list(test.modalities), "by": test.by, **asdict(test.result)}
                for test in self.tests
            ],
        }


@dataclass(frozen=True)
class Pairing:
    """Rows of two sources that are said to belong together, in the first one's order."""

    one: Source
    other: Source
    rows: Rows
    their_rows: Rows
    by: str


def examine(sources: Sequence[Source], *, features: bool = True, seed: int = 0) -> Check:
    """Compare every pair of sources; their features too, unless told not to.

    Raises InputError where features cannot be read.
    """
    identified = [(source, source.ids) for source in sources if source.ids is not None]
    findings = [f for source, ids in identified for f in repeated(Named(source.name, ids))]
    pairings: list[Pairing] = []
    for one, other in combinations(sources, 2):
        found, pairing = _compared(one, other)
        findings += found
        pairings.append(pairing)
    with one_blas_thread():
        tests = tuple(_tested(pairings, seed)) if features else ()
    findings += [told(test.modalities, test.by, test.result) for test in tests]
    if features:
        findings += _untested(pairings, tests)
    return Check(
        tuple(map(_described, sources)),
        tuple(_overlap(identified)),
        _sorted(findings),
        tests,
    )


def _sorted(findings: list[Finding]) -> tuple[Finding, ...]:
    """The worst first, and what is of one kind together."""
    kinds = list(dict.fromkeys(finding.code for finding in findings))

    def rank(finding: Finding) -> tuple[int, int]:
        return -SEVERITIES.index(finding.severity), kinds.index(finding.code)

    return tuple(sorted(findings, key=rank))


def _described(source: Source) -> dict[str, Any]:
    return {
        "name": source.name,
        "file": source.label.partition("=")[2],
        "rows": source.rows,
        "columns": len(source.columns),
        "ids": source.id_source if source.ids is not None else "none",
        "id_kind": source.ids.kind if source.ids is not None else "position",
    }


def _overlap(
    identified: Sequence[tuple[Source, Ids]],
) -> Iterator[tuple[tuple[str, ...], int]]:
    if len(identified) < 2:
        return
    columns = [ids for _, ids in identified]
    if len({ids.kind for ids in columns}) > 1:
        columns = [ids.as_text() for ids in columns]
    for members, count in overlap(columns):
        names = (s.name for (s, _), has in zip(identified, members, strict=True) if has)
        yield tuple(names), count


def _compared(one: Source, other: Source) -> tuple[list[Finding], Pairing]:
    """What ids, or else the numbers of rows, say; and how the rows are paired."""
    if one.ids is not None and other.ids is not None:
        meeting = Meeting.of(Named(one.name, one.ids), Named(other.name, other.ids))
        return identity(meeting), Pairing(one, other, *meeting.pairs, "id")
    rows = numbers(min(one.rows, other.rows))
    lacking = [source.name for source in (one, other) if source.ids is None]
    found = told_positions((one.name, other.name), (one.rows, other.rows), lacking)
    return [found], Pairing(one, other, rows, rows, "position")


def _tested(pairings: Sequence[Pairing], seed: int) -> Iterator[Test]:
    """Test every pairing on a sample; each source is read once, whatever pairs it is in."""
    sampled = []
    for pairing in pairings:
        one, other = pairing.one, pairing.other
        kept = sample(pairing.rows, pairing.their_rows, one.rows, other.rows)
        if len(kept) >= FEWEST:
            sides = (one, around(pairing.rows[kept])), (other, around(pairing.their_rows[kept]))
            sampled.append((pairing, sides))
    wanted: dict[str, list[Rows]] = {}
    for _, sides in sampled:
        for source, rows in sides:
            wanted.setdefault(source.name, []).append(rows.reshape(-1))
    sources = {source.name: source for _, sides in sampled for source, _ in sides}
    places = {name: np.unique(np.concatenate(rows)) for name, rows in wanted.items()}
    blocks = {name: _condensed(sources[name], rows, seed) for name, rows in places.items()}
    for pairing, sides in sampled:
        x, y = (blocks[s.name][np.searchsorted(places[s.name], rows)] for s, rows in sides)
        result = dependence(x, y, by_position=pairing.by == "position", seed=seed)
        yield Test((pairing.one.name, pairing.other.name), pairing.by, result)


def _untested(pairings: Sequence[Pairing], tests: Sequence[Test]) -> Iterator[Finding]:
    """The pairs that have rows in common, but too few to test."""
    done = {test.modalities for test in tests}
    for pairing in pairings:
        names = pairing.one.name, pairing.other.name
        if names not in done and len(pairing.rows):
            yield told_few(names, len(pairing.rows))


def _condensed(source: Source, rows: Rows, seed: int) -> Block:
    """These rows, which ascend, made narrow a piece at a time."""
    row_bytes = len(source.columns) * source.dtype.itemsize
    piece = min(len(rows), max(1, _PIECE_BYTES // row_bytes))
    stored: Way = "memory" if len(rows) * row_bytes <= _MEMORY_BYTES else "partitioned"
    with reading(source.label):
        way = "gather" if source.storage != "stream" else stored
        taken = source.reader(rows, way, ScratchRoom(len(rows)))
        some = np.arange(0, len(rows), -(-len(rows) // min(piece, _LEARNED)))
        condenser = Condenser.of(_read(source, taken.keep(some), 0, len(some)), seed)
        starts = range(0, len(rows), piece)
        parts = (_read(source, taken, k, min(k + piece, len(rows))) for k in starts)
        block = np.concatenate([condenser(part) for part in parts])
        taken.reader.close()
    return block


def _read(source: Source, taken: Taken, start: int, stop: int) -> Matrix:
    out = np.empty((stop - start, len(source.columns)), source.dtype)
    taken.read(start, stop, out)
    return out

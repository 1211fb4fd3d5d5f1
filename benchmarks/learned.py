"""Jobs whose fusion learns from all rows: PCA and CCA beside the libraries that people take."""

from __future__ import annotations

import sys
from pathlib import Path

from contestants import MMFUSE, Contestant, Data, Job, Role

_PEERS = Path(__file__).resolve().parent / "peers"
_VERIFIER = "verify_learned.py"
_PAIR, _ALL = ("image", "text"), ("image", "text", "audio")
PCA_COMPONENTS, CCA_COMPONENTS = 256, 64

_COVARIANCE = "scikit-learn covariance_eigh"
_COVARIANCE64 = "scikit-learn, float64"
_DEFAULT = "scikit-learn default"
_INCREMENTAL = "scikit-learn IncrementalPCA"
_CCA_ZOO = "cca-zoo"
_APPROXIMATE = (_DEFAULT, _INCREMENTAL)
_TITLES = {
    _COVARIANCE: "sklearn_covariance",
    _COVARIANCE64: "sklearn_covariance64",
    _DEFAULT: "sklearn_default",
    _INCREMENTAL: "sklearn_incremental",
    _CCA_ZOO: "cca_zoo_cca",
}


def learned(base: Path, rows: int) -> list[Job]:
    """Everything that learns, at one number of ids."""
    data, few = Data(base, "factors", rows), Data(base, "factors", rows // 8)
    k = f"k = {PCA_COMPONENTS}"
    pca, chunks = f"PCA, {k}, 512 + 768 + 128", f"PCA in chunks, {k}, 512 + 768 + 128"
    return [
        _beside("learn-pca", pca, data, _ALL, (_COVARIANCE, _COVARIANCE64, _DEFAULT)),
        # what decomposes every chunk anew is slow: an eighth of the rows tells as much
        _beside("learn-pca-chunks", chunks, few, _ALL, (_INCREMENTAL,)),
        _beside("learn-cca", f"CCA, k = {CCA_COMPONENTS}, 512 and 768", data, _PAIR, (_CCA_ZOO,)),
        _threads(data),
        _fewer(base, rows),
    ]


def _beside(
    name: str, title: str, data: Data, names: tuple[str, ...], peers: tuple[str, ...]
) -> Job:
    """mmfuse and peers."""
    found = [_own("mmfuse", data, names), *(_peer(peer, data, names) for peer in peers)]
    return Job(name, f"{title}, npy → npy", [data], found, _files(data, names))


def _threads(data: Data) -> Job:
    """Two threads are the reference, as with the strategies that do not learn."""
    found = [
        _own("2 threads", data, _ALL, threads=2),
        _own("1 thread", data, _ALL, threads=1, role=Role.OTHER),
    ]
    return Job("learn-threads", "Threads: pca, npy → npy", [data], found, _files(data, _ALL))


def _fewer(base: Path, rows: int) -> Job:
    """Whether memory stays what it is."""
    found, sets = [], []
    for share, role in ((1, Role.MMFUSE), (2, Role.OTHER), (4, Role.OTHER)):
        data = Data(base, "factors", rows // share)
        found.append(_own(f"{data.rows:,} ids", data, _PAIR, role=role))
        sets.append(data)
    files = [file for data in sets for file in _files(data, _PAIR)]
    return Job("learn-rows", "CCA of fewer ids, npy → npy", sets, found, files)


def _own(
    name: str,
    data: Data,
    names: tuple[str, ...],
    threads: int | None = None,
    role: Role = Role.MMFUSE,
) -> Contestant:
    out = data.folder / "out" / f"{name.replace(' ', '-')}.npy"
    inputs = [f"{file.stem}={file}" for file in _files(data, names)]
    strategy = _strategy(names)
    command = [MMFUSE, strategy, "-q", *inputs, "-o", str(out), "-k", _components(names)]
    if threads:
        command += ["--threads", str(threads)]
    return Contestant(name, role, command, out, _check(names), _VERIFIER)


def _peer(title: str, data: Data, names: tuple[str, ...]) -> Contestant:
    out = data.folder / "out" / f"{_TITLES[title]}.npy"
    script = str(_PEERS / f"{_TITLES[title]}.py")
    command = [sys.executable, script, str(data.folder), ",".join(names), _components(names)]
    check = _check(names, approximate=title in _APPROXIMATE)
    return Contestant(title, Role.PEER, [*command, str(out)], out, check, _VERIFIER)


def _check(names: tuple[str, ...], approximate: bool = False) -> list[str]:
    found = [_strategy(names), ",".join(names), _components(names)]
    return found + (["--approximate"] if approximate else [])


def _strategy(names: tuple[str, ...]) -> str:
    return "cca" if names == _PAIR else "pca"


def _components(names: tuple[str, ...]) -> str:
    return str(CCA_COMPONENTS if names == _PAIR else PCA_COMPONENTS)


def _files(data: Data, names: tuple[str, ...]) -> list[Path]:
    return [data.folder / f"{name}.npy" for name in names]

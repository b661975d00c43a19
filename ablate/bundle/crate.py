"""`ro-crate-metadata.json`: the bundle as a research object that Zenodo and WorkflowHub read.

RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) with the profile Process Run Crate 0.5: one `CreateAction` for the study,
whose `instrument` is ablate, whose `object` is the study file and whose `result` are the values and the table.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

CRATE = "ro-crate-metadata.json"
SPECIFICATION = "https://w3id.org/ro/crate/1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
CONTEXT = [f"{SPECIFICATION}/context", "https://w3id.org/ro/terms/workflow-run/context"]
LICENSE = "#license"
SOFTWARE, RUN = "#ablate", "#run"
FOLDERS = {
    "code/": "the code of the study's own task, as it enters the keys of its trials",
    "logs/": "the log of each trial, by its key",
    "plots/": "plots of the table",
    "weights/": "the trained weights of each trial, by its key",
}
TEXTS = {
    "study.json": "the study document",
    "study.toml": "the study document, as a file for `ablate run`",
    "resolved.json": "rows, resolved recipes, seeds and trial keys",
    "seeds.csv": "the value of every row, seed and metric",
    "curves.csv": "the learning curve of every trial",
    "table.json": "the result table with every number unrounded",
    "table.md": "the result table in Markdown",
    "table.tex": "the result table in LaTeX",
    "table.csv": "the result table as CSV",
    "table.html": "the result table in HTML",
    "provenance.json": "commit, versions and device of every trial",
    "requirements.lock": "the packages of the environment that made the bundle",
    "verify.py": "recomputes the table with numpy and scipy alone",
    "README.md": "how to check the table",
}
TYPES = {".toml": "application/toml", ".lock": "text/plain", ".whl": "application/zip", ".md": "text/markdown",
         ".tex": "application/x-tex", ".svg": "image/svg+xml", ".csv": "text/csv", ".py": "text/x-python"}  # fmt: skip
RESULTS = ("seeds.csv", "curves.csv", "table.json", "provenance.json")


@dataclass(frozen=True, slots=True)
class About:
    """What the metadata say of the whole.

    Attributes:
        study, title, question: in the words of the study.
        scale: name of the scale, or `base`.
        version: of ablate.
        began, ended: when the first and the last result came, ISO 8601.
        rows, seeds: their numbers.
    """

    study: str
    title: str
    question: str
    scale: str
    version: str
    began: str
    ended: str
    rows: int
    seeds: int


def render_crate(about: About, sizes: Mapping[str, int]) -> str:
    """The metadata file.

    Args:
        about: the whole.
        sizes: name -> bytes of every file of the bundle, without this one and the manifest.
    """
    document = {
        "@context": CONTEXT,
        "@graph": [_descriptor(), *_root(about, sizes), *_run(about, sizes), *_files(sizes)],
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _descriptor() -> dict[str, Any]:
    return {
        "@id": CRATE, "@type": "CreativeWork", "conformsTo": {"@id": SPECIFICATION}, "about": {"@id": "./"},
    }  # fmt: skip


def _root(about: About, sizes: Mapping[str, int]) -> Iterable[dict[str, Any]]:
    question = f" {about.question}" if about.question else ""
    yield {
        "@id": "./",
        "@type": "Dataset",
        "conformsTo": {"@id": PROFILE},
        "name": about.title or about.study,
        "description": f"Ablation study {about.study} at scale {about.scale}: {about.rows} rows, {about.seeds} seeds."
        f"{question} `python verify.py` recomputes the table from seeds.csv.",
        "datePublished": about.ended[:10],
        "license": {"@id": LICENSE},
        "hasPart": _ids(_parts(sizes)),
        "mentions": {"@id": RUN},
    }
    yield {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": PROFILE.rpartition("/")[2]}
    yield {
        "@id": LICENSE,
        "@type": "CreativeWork",
        "name": "License of the results",
        "description": "The authors of the study have not stated a license yet; state one when you publish the bundle. "
        "The software ablate in it is licensed under Apache-2.0.",
    }


def _run(about: About, sizes: Mapping[str, int]) -> Iterable[dict[str, Any]]:
    yield {
        "@id": SOFTWARE,
        "@type": "SoftwareApplication",
        "name": "ablate",
        "description": "Ablation studies for machine learning: a study file in, a result table fit for a paper out",
        "softwareVersion": about.version,
        "license": {"@id": "https://www.apache.org/licenses/LICENSE-2.0"},
    }
    yield {"@id": "https://www.apache.org/licenses/LICENSE-2.0", "@type": "CreativeWork", "name": "Apache License 2.0"}
    inputs = [name for name in ("study.toml", "study.json") if name in sizes]
    yield {
        "@id": RUN,
        "@type": "CreateAction",
        "name": f"Training of study {about.study}",
        "description": f"every row of the study was trained with {about.seeds} seeds at scale {about.scale}",
        "instrument": {"@id": SOFTWARE},
        "object": _ids(inputs),
        "result": _ids(name for name in RESULTS if name in sizes),
        "startTime": about.began,
        "endTime": about.ended,
    }


def _files(sizes: Mapping[str, int]) -> Iterable[dict[str, Any]]:
    for name in _parts(sizes):
        if name in FOLDERS:
            yield {"@id": name, "@type": "Dataset", "name": name, "description": FOLDERS[name]}
            continue
        entity = {"@id": quote(name), "@type": "File", "name": name, "contentSize": str(sizes[name])}
        text = TEXTS.get(name, "the wheel of the ablate that made the bundle" if name.endswith(".whl") else None)
        yield entity | {"encodingFormat": _type_of(name)} | ({"description": text} if text else {})


def _parts(sizes: Mapping[str, int]) -> list[str]:
    """The files at the top, and the folders, which are described as a whole."""
    return sorted({name if "/" not in name else name.partition("/")[0] + "/" for name in sizes})


def _ids(names: Iterable[str]) -> list[dict[str, str]]:
    return [{"@id": quote(name)} for name in names]


def _type_of(name: str) -> str:
    suffix = "." + name.rpartition(".")[2]
    return TYPES.get(suffix) or mimetypes.types_map.get(suffix) or "application/octet-stream"

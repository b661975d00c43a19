"""The mirror: MLflow shows what the database contains. The only importer of mlflow.

Every call may be repeated: runs are searched by their tags before they are created, metrics have times from the
database, tables are written whole, the status is written last. Nothing is read back to decide anything. mlflow is
imported when a `Mirror` is opened (1-3 s), and only its client with explicit run ids is used: the fluent API keeps a
stack of active runs and mixes them.
"""

from __future__ import annotations

import os
import posixpath
import re
import sqlite3
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.documents.runs import StudyRun, TrialRun
from service.tracking.mlflow_file import QUIET, RENAMED, MirrorError, check_file, create_store, follow_move
from service.tracking.run_content import FINAL_STATUS, Content, content_of_study, content_of_trial, grouped_view

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_MENDABLE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""MLflow's error codes where a user deleted a run or an experiment, or a param has another value."""
_BUILT_IN = "0"
"""Id of MLflow's own experiment, `Default`. Its files are in the working directory of the process that made it."""
_PAGE = 1000
_STUDIES_REMEMBERED = 32


class Mirror:
    """Runs of MLflow that show our studies and trials. For one thread.

    Args:
        tracking_uri: `sqlite:///FILE` (embedded, written by us alone) or the address of an MLflow server.
        artifact_location: URI below which a new experiment keeps its files; None: the server decides.

    Raises:
        MirrorError: raised by every method too. A repetition completes a call that failed halfway.
    """

    def __init__(self, tracking_uri: str, artifact_location: str | None) -> None:
        self._artifacts = artifact_location
        self._client = _open_client(tracking_uri, artifact_location)
        self._experiments: dict[str, str] = {}
        self._runs: OrderedDict[str, dict[str, str]] = (
            OrderedDict()
        )  # study id -> key -> run id; complete for each study

    def record_study(self, run: StudyRun, run_id: str | None = None) -> str:
        """Show a study as it is now. Returns the id of its run; a known `run_id` saves the search."""
        with _as_mirror_error(f"the run of study '{run.name}'"):
            known = self._record(content_of_study(run), run_id)
            self._client.set_experiment_tag(self._experiment(run.name), *grouped_view(run.study_id))
            return known

    def record_trial(self, run: TrialRun, study_run_id: str, run_id: str | None = None) -> str:
        """Show a trial as it is now below its study's run. Returns the id of its run, as `record_study` does."""
        with _as_mirror_error(f"the run of trial {run.key[:12]} in study '{run.name}'"):
            return self._record(content_of_trial(run, study_run_id), run_id)

    def experiment_id(self, name: str) -> str:
        """Id of the experiment of a study name, which is created or restored if needed."""
        with _as_mirror_error(f"the experiment '{name}'"):
            return self._experiment(name)

    def reconcile(self, state_of: Callable[[str, str], str | None]) -> int:
        """End our runs that MLflow shows as unfinished although their trial or study is final or unknown.

        Args:
            state_of: (study id, trial key) -> state of that trial in that study, or of the study itself where the
                key is empty; None if the database does not know it, and the run is then killed.

        Returns:
            Number of ended runs. The outbox later corrects their end time, which the state does not contain.
        """
        with _as_mirror_error("the runs that MLflow shows as unfinished"):
            ended = [(run, status) for run in self._unfinished() if (status := _final_status(run, state_of))]
            for run, status in ended:
                self._client.set_terminated(run.info.run_id, status, max(run.info.start_time, int(time.time() * 1000)))
            return len(ended)

    def _record(self, content: Content, run_id: str | None) -> str:
        from mlflow.exceptions import MlflowException

        try:
            return self._write(content, run_id and self._leave_built_in(content, run_id))
        except MlflowException as error:
            self._runs.pop(content.study_id, None)  # a run may have been created before the answer was lost
            if error.error_code not in _MENDABLE:
                raise
        self._experiments.pop(content.experiment, None)
        return self._write(content, None, mend=True)

    def _leave_built_in(self, content: Content, run_id: str) -> str | None:
        """None for a run that an earlier version made in MLflow's own experiment: it is made again in ours."""
        if content.experiment.lower() != "default":
            return run_id
        return None if self._client.get_run(run_id).info.experiment_id == _BUILT_IN else run_id

    def _write(self, content: Content, run_id: str | None, *, mend: bool = False) -> str:
        known = run_id or self._runs_of(content).get(content.key)
        if known is None:
            created = self._create(content)
            self._fill(created, content, content.params, tags={})
            if content.status != "RUNNING":
                self._set_status(created, content)
            return created
        params = self._mend(known, content.params) if mend else content.params
        self._fill(known, content, params, content.tags)
        self._set_status(known, content)
        return known

    def _create(self, content: Content) -> str:
        run = self._client.create_run(
            self._experiment(content.experiment), content.start, content.tags, run_name=content.name
        )
        self._runs_of(content)[content.key] = run.info.run_id
        return str(run.info.run_id)

    def _fill(self, run_id: str, content: Content, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        self._client.log_batch(
            run_id,
            metrics=[Metric(*point) for point in content.metrics],
            params=[Param(*item) for item in params.items()],
            tags=[RunTag(*item) for item in tags.items()],
        )
        if content.files:
            self._write_files(run_id, content.files)

    def _write_files(self, run_id: str, files: Mapping[str, str | bytes]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text.encode() if isinstance(text, str) else text)
            self._client.log_artifacts(run_id, folder)

    def _set_status(self, run_id: str, content: Content) -> None:
        if content.end is None:
            self._client.update_run(run_id, content.status)
        else:
            self._client.set_terminated(run_id, content.status, content.end)

    def _mend(self, run_id: str, params: Mapping[str, str]) -> dict[str, str]:
        """Restore a deleted run. Returns the params that it lacks: MLflow's params cannot change."""
        run = self._client.get_run(run_id)
        if run.info.lifecycle_stage == "deleted":
            self._client.restore_run(run_id)
        return {name: value for name, value in params.items() if name not in run.data.params}

    def _experiment(self, name: str) -> str:
        """Id of a study's experiment. It has the study's name, unless that is the name of MLflow's own one."""
        if name not in self._experiments:
            found = self._find_experiment(name)
            title = f"{name}{RENAMED}" if found == _BUILT_IN else name
            if found in (None, _BUILT_IN):
                found = self._find_experiment(title) or self._create_experiment(title, name)
            self._experiments[name] = str(found)
        return self._experiments[name]

    def _find_experiment(self, title: str) -> str | None:
        found = self._client.get_experiment_by_name(title)
        if found is None:
            return None
        if found.lifecycle_stage == "deleted" and found.experiment_id != _BUILT_IN:
            self._client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _create_experiment(self, title: str, folder: str) -> str:
        location = None if self._artifacts is None else posixpath.join(self._artifacts, folder)
        return self._client.create_experiment(title, location)

    def _runs_of(self, content: Content) -> dict[str, str]:
        """Key -> run id of a study, searched once: no other process creates our runs, and a search for each trial
        would read every tag of the store each time."""
        if content.study_id not in self._runs:
            of_study = f"tags.`ablate.study_id` = '{content.study_id}'"
            self._runs[content.study_id] = _by_key(self._search([self._experiment(content.experiment)], of_study))
            if len(self._runs) > _STUDIES_REMEMBERED:
                self._runs.popitem(last=False)
        self._runs.move_to_end(content.study_id)
        return self._runs[content.study_id]

    def _search(self, experiments: list[str], where: str) -> list[Run]:
        from mlflow.entities import ViewType

        return _every_page(
            lambda token: self._client.search_runs(experiments, where, ViewType.ALL, _PAGE, ["start_time ASC"], token)
        )

    def _unfinished(self) -> list[Run]:
        experiments = _every_page(lambda token: self._client.search_experiments(max_results=_PAGE, page_token=token))
        ids = [experiment.experiment_id for experiment in experiments]
        return [
            run
            for status in ("RUNNING", "SCHEDULED")
            for start in range(0, len(ids), _PAGE)
            for run in self._search(
                ids[start : start + _PAGE], f"attributes.status = '{status}' and tags.`ablate.study_id` != ''"
            )
            if run.info.lifecycle_stage == "active"
        ]


def _open_client(tracking_uri: str, artifacts: str | None) -> MlflowClient:
    # MLflow would retry for minutes, also requests that did create a run: our outbox retries.
    os.environ |= {**QUIET, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    with _as_mirror_error("the store"):
        from mlflow import MlflowClient

        create_store(tracking_uri)
        check_file(tracking_uri)
        if artifacts is not None:
            follow_move(tracking_uri, artifacts)
        return MlflowClient(tracking_uri)


@contextmanager
def _as_mirror_error(what: str) -> Iterator[None]:
    try:
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise MirrorError(
            "the mirror needs the package mlflow, which is not installed; install it, or set ABLATE_TRACKING_URI=off"
        ) from error
    try:
        yield
    except (MlflowException, OSError, sqlite3.Error) as error:
        text = re.sub(r"//[^/@\s]+@", "//", str(error))[:500]  # an address may contain a password
        refused = isinstance(error, MlflowException) and error.error_code in _MENDABLE
        raise MirrorError(f"MLflow did not take {what}: {text}", is_refused=refused) from error


def _every_page(page: Callable[[str | None], Any]) -> list[Any]:
    items = page(None)
    found = list(items)
    while items.token:
        items = page(items.token)
        found += items
    return found


def _by_key(runs: Iterable[Run]) -> dict[str, str]:
    """Key -> run id. Of two runs of one trial the older one counts, and one that is not deleted."""
    found: dict[str, str] = {}
    for run in sorted(runs, key=lambda run: (run.info.lifecycle_stage, run.info.start_time, run.info.run_id)):
        found.setdefault(run.data.tags.get("ablate.trial_key", ""), run.info.run_id)
    return found


def _final_status(run: Run, state_of: Callable[[str, str], str | None]) -> str | None:
    tags = run.data.tags
    state = state_of(tags["ablate.study_id"], tags.get("ablate.trial_key", ""))
    return "KILLED" if state is None else FINAL_STATUS.get(state)

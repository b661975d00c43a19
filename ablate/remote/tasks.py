"""The tasks of a service, and the one of them that a study with a `[command]` means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.errors import Problem, StudyError
from ablate.remote.documents.catalog import TaskEntry
from ablate.study.source import StudySource, document_of

if TYPE_CHECKING:
    from ablate.remote.connection import Connection


class Tasks:
    """Calls about tasks, as `Client.tasks`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> list[TaskEntry]:
        """Every task of the service: built in, installed and registered.

        Example:
            >>> [task.name for task in client.tasks.list()]
        """
        return [TaskEntry.model_validate(entry) for entry in self._connection.get("/catalog")["tasks"]]

    def document_of(self, study: StudySource, folder: Path | None = None) -> Any:
        """A study's document as it is sent: the service's task in place of a `[command]`, because code is never sent.

        Args:
            study: see `Client.submit`.
            folder: of the study's file, where `study` is its content.

        Raises:
            StudyError: the service has no task with this command and this code; or see `ablate.read_study`.
        """
        document = document_of(study)
        if not isinstance(document, Mapping) or not isinstance(document.get("command"), Mapping):
            return document
        from ablate.tasks.command.bind import with_command

        is_path = folder is None and not isinstance(study, Mapping) and "\n" not in str(study)
        bound = with_command(document, Path(str(study)).parent if is_path else folder or Path())
        digest = bound["base"]["task"].partition("@")[2]
        entry = next((task for task in self.list() if digest in task.versions), None)
        if entry is None:
            raise StudyError([Problem("/command", "not_supported", self._what_to_do())])
        rest = {name: value for name, value in bound.items() if name != "command"}
        return rest | {"base": {**bound["base"], "task": f"{entry.name}@{digest}"}}

    def _what_to_do(self) -> str:
        known = [task.name for task in self.list() if task.versions]
        names = f" ({', '.join(known)})" if known else ""
        return (
            "the service has no task with this command and this code. On its machine, `ablate task add NAME STUDY` "
            f"registers it, and `ablate task update NAME STUDY` gives a registered task{names} its newest code"
        )


def body_of(
    document: Any,
    scale: str | None,
    seeds: int | None,
    priority: int | None,
    resources: Mapping[str, float] | None,
) -> dict[str, Any]:
    """The body of a submission; `document` is the study's."""
    return {
        "study": document, "scale": scale, "seeds": seeds, "priority": priority,
        "resources": dict(resources) if resources else None,
    }  # fmt: skip

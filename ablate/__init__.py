"""Ablation studies: a study file in, a result table fit for a paper out.

    import ablate

    study = ablate.read_study("studies/table05.toml")   # or a mapping, or ablate.Study(name=..., rows=[...])
    print(ablate.plan(study, scale="mini"))              # rows and trials; nothing is trained
    table = ablate.run(study, scale="mini", seeds=3)     # trains here; the same call resumes
    table.to_latex(); table.to_pandas(); table.plot("forest").save("forest.svg")

Every name below is imported when it is first used, so that `import ablate` is fast and needs neither torch nor pandas.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ablate.errors import AblateError, StudyError
    from ablate.local.study import compare, plan, read_study, run
    from ablate.remote.client import Client
    from ablate.reports import report
    from ablate.study.document import Study
    from ablate.study.plan import Plan
    from ablate.tables.notebook import NotebookTable as Table
    from ablate.tasks.function.declare import task
    from ablate.trials.task import Task
    from ablate.trials.trial import EpochMetrics, Heartbeat, Outcome, Trial

__version__ = "0.1.0"

__all__ = [
    "AblateError",
    "Client",
    "EpochMetrics",
    "Heartbeat",
    "Outcome",
    "Plan",
    "Study",
    "StudyError",
    "Table",
    "Task",
    "Trial",
    "__version__",
    "compare",
    "plan",
    "read_study",
    "report",
    "run",
    "task",
]

_HOMES = {
    "AblateError": "ablate.errors:AblateError",
    "Client": "ablate.remote.client:Client",
    "EpochMetrics": "ablate.trials.trial:EpochMetrics",
    "Heartbeat": "ablate.trials.trial:Heartbeat",
    "Outcome": "ablate.trials.trial:Outcome",
    "Plan": "ablate.study.plan:Plan",
    "Study": "ablate.study.document:Study",
    "StudyError": "ablate.errors:StudyError",
    "Table": "ablate.tables.notebook:NotebookTable",
    "Task": "ablate.trials.task:Task",
    "Trial": "ablate.trials.trial:Trial",
    "compare": "ablate.local.study:compare",
    "plan": "ablate.local.study:plan",
    "read_study": "ablate.local.study:read_study",
    "report": "ablate.reports:report",
    "run": "ablate.local.study:run",
    "task": "ablate.tasks.function.declare:task",
}
"""Public name -> where it is defined; type checkers read the imports above instead."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'ablate' has no attribute {name!r}")
    module, attribute = _HOMES[name].split(":")
    value = globals()[name] = getattr(import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

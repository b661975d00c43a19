"""Counted costs and call sites of networks: computed by the warm probe, stored in the database by architecture.

The probe is a separate process, since counting needs torch. A study of many different networks does not wait for all
of them: what is not counted within `PATIENCE_S` stays unknown, and a network that cannot be built then fails when its
trial starts.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from ablate.documents import canonical_json
from ablate.errors import AblateError, DataError, Problem, SiteError
from ablate.local.preview import list_asked
from ablate.models.probe_client import Probe, Probed
from ablate.recipes.classify import ClassifyRecipe, applicable_values, architecture_of, identity_of
from ablate.study.plan import Plan
from ablate.trials.registry import get_task
from ablate.trials.trial import Cost
from service.dispatch.trial_worker import hidden_variables
from service.store.costs import find_costs, keep_costs
from service.store.session import Store

PATIENCE_S = 20.0

BUILDERS = ("ablate", "torch", "torchvision", "timm")
"""Packages that decide which network an architecture's name builds."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Costs of the rows of a plan.

    Attributes:
        costs: costs by the name of a row or of what it needs, without those that could not be counted in time.
        problems: rows that cannot be built.
        warnings: rows that were not counted.
    """

    costs: Mapping[str, Cost]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


class Costs:
    """The probe and its memory; safe for several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._probe = Probe(hidden=hidden_variables())

    def start(self) -> None:
        """Let the probe import torch in the background."""
        if find_spec("torch"):
            self._probe.start()

    def close(self) -> None:
        """End the probe."""
        self._probe.close()

    def sites(self, recipe: ClassifyRecipe) -> list[dict[str, Any]]:
        """Every activation call site of a recipe's network.

        Raises:
            SiteError: the network cannot be built or traced.
        """
        return [asdict(site) for site in self._probe.sites(applicable_values(recipe)).sites]

    def survey(self, recipe: Mapping[str, Any]) -> Probed:
        """Every call site of the network of a trial's recipe, and which of them the recipe replaces.

        Raises:
            SiteError: the network cannot be built or traced.
        """
        return self._probe.sites(recipe)

    def count(self, plan: Plan, until_s: float | None = None) -> Counted:
        """Costs of the rows, and of what they need, where their task names a network to count.

        Args:
            plan: the study, expanded.
            until_s: monotonic time at which counting stops; None: `PATIENCE_S` from now.
        """
        rows, errors = _networks(plan)
        names = {label: _architecture_id(recipe) for label, recipe in rows.items()}
        with self._store.read() as connection:
            answers = find_costs(connection, list(dict.fromkeys(names.values())))
        open_ = {names[label]: recipe for label, recipe in rows.items() if names[label] not in answers}
        new, warnings = self._ask(open_, time.monotonic() + PATIENCE_S if until_s is None else until_s)
        if new:
            with self._store.write() as connection:
                keep_costs(connection, new)
        answers |= new
        found = {label: answers[name] for label, name in names.items() if name in answers}
        costs = {label: Cost.model_validate(answer["cost"]) for label, answer in found.items() if "cost" in answer}
        errors |= {label: answer["error"] for label, answer in found.items() if "error" in answer}
        return Counted(costs, tuple(_problems(plan, errors)), tuple(warnings))

    def _ask(
        self, recipes: Mapping[str, ClassifyRecipe], until_s: float
    ) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
        if not find_spec("torch"):
            text = "torch is not installed here, so parameters and multiply-adds are not counted"
            return {}, [Problem("", "not_counted", text)] if recipes else []
        answers: dict[str, dict[str, Any]] = {}
        for name, recipe in recipes.items():
            if time.monotonic() > until_s:
                left = len(recipes) - len(answers)
                text = (
                    f"{left} of {len(recipes)} networks were not validated in time; one that cannot be built will fail"
                )
                return answers, [Problem("", "not_counted", text)]
            try:
                answers[name] = self._answer(recipe)
            except AblateError as error:
                return answers, [Problem("", "not_counted", f"parameters are not counted: {error}")]
        return answers, []

    def _answer(self, recipe: ClassifyRecipe) -> dict[str, Any]:
        try:
            cost = self._probe.cost(applicable_values(recipe)).cost
        except SiteError as error:
            return {"error": str(error)}
        assert cost is not None
        return {"cost": cost.model_dump()}


def _architecture_id(recipe: ClassifyRecipe) -> str:
    """Digest of what decides a network and how it is counted."""
    content = {"versions": _versions(), "network": identity_of(architecture_of(recipe))}
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in BUILDERS if find_spec(name)}


def _networks(plan: Plan) -> tuple[dict[str, ClassifyRecipe], dict[str, str]]:
    """The network that is counted for each label, and why a task does not name it."""
    rows: dict[str, ClassifyRecipe] = {}
    errors: dict[str, str] = {}
    for one in list_asked(plan):
        try:
            network = get_task(one.task).task.counted_network(one.recipe)
        except AblateError as error:
            errors[one.row] = str(error)
            continue
        if network is not None:
            rows[one.row] = network
    return rows, errors


def _problems(plan: Plan, errors: Mapping[str, str]) -> Iterator[Problem]:
    for one in list_asked(plan):
        if one.row in errors:
            yield Problem(one.place, "not_buildable", f"{one.name}: {errors[one.row]}")
            continue
        try:
            get_task(one.task).task.check(one.recipe)
        except DataError as error:
            yield Problem(one.place, "invalid", f"{one.name}: {error}")
        except AblateError as error:
            yield Problem(one.place, "not_buildable", f"{one.name}: {error}")

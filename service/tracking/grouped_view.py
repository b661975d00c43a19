"""The view of MLflow's list of runs that a study's page links to: the study's runs, grouped by row.

MLflow's page stores a shared view as a tag of its experiment, JSON under `mlflow.sharedViewState.KEY`, and opens it for
`?viewStateShareKey=KEY`; the names in it are from the page of MLflow 3.17. This module does not import mlflow.
"""

from __future__ import annotations

import json

TAG = "mlflow.sharedViewState."


def grouped_view(study_id: str) -> tuple[str, str]:
    """Name and value of the experiment's tag that contains the view."""
    view = {
        "searchFilter": f"tags.`ablate.study_id` = '{study_id}'",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "groupBy": {"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": "ablate.row"}]},
        "useGroupedValuesInCharts": True,
    }
    return TAG + study_id, json.dumps(view)


def grouped_link(study_link: str, study_id: str) -> str:
    """Address of the view, from that of the study's own run in the same experiment."""
    return f"{study_link.split('/runs/')[0]}/runs?viewStateShareKey={study_id}"

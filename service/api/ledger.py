"""The route of the ledger."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from ablate.remote.documents.ledger import Ledger
from service.api.lanes import draws
from service.api.parameters import InContext
from service.studies import ledger

router = APIRouter(prefix="/ledger", tags=["results"])


@router.get("", summary="Show everything that was tested")
@draws
def get_ledger(
    context: InContext,
    alpha: Annotated[
        float, Query(gt=0, lt=1, description="false discovery rate over all pairs of the service", allow_inf_nan=False)
    ] = 0.05,
) -> Ledger:
    """All families of rows that ended studies decided on, and all pairs of recipes that they compared.

    Each table keeps its own level. Over many tables, some show a false decision: at most `expected` families do if no
    row has any effect. A pair is a discovery if the evidence of all its tries stays strong enough over everything that
    was tested: at most a share of `alpha` of all discoveries is expected to be false (e-LOND).
    """
    return ledger.read_ledger(context, alpha)

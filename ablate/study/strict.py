"""The base class of what a user writes: scalars are not coerced, and the validation of a huge document ends."""

from __future__ import annotations

from typing import Any, Self, cast

from pydantic import ConfigDict, ModelWrapValidatorHandler, ValidationError, ValidationInfo, model_validator

from ablate.documents import Document
from ablate.limits import MAX_COUNTED


class StrictDocument(Document):
    """A document whose scalars are not coerced: `"3"` is not a number and `1` is not a boolean."""

    model_config = ConfigDict(**{**Document.model_config, "strict": True})

    @classmethod
    def validated(cls, value: object) -> Self:
        """The document; after 1,000 errors the validation of further documents inside it ends.

        Raises:
            ValidationError: with the errors.
        """
        return cls.model_validate(value, context=[0])

    @model_validator(mode="wrap")
    @classmethod
    def _until_enough(cls, value: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        count: list[int] = info.context or [0]
        if count[0] >= MAX_COUNTED:
            return cast("Self", cls.model_construct())
        try:
            return handler(value)
        except ValidationError as error:
            count[0] += error.error_count()
            raise

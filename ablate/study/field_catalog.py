"""The catalog: descriptions of recipe fields and of the study document, generated from their declarations."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from ablate.recipes.identity import in_recipe, recipe_inside
from ablate.study.document import Study

WORDS = {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text", "null": "null"}
BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}


def describe_fields(recipe_class: type[BaseModel]) -> list[dict[str, Any]]:
    """Describe every field of a recipe.

    Returns:
        For each field `name`, `type` with its range in words, `default` as JSON, `text`, and `fields`, which describes
        the fields of a field that is itself a recipe and is empty for any other field.

    Raises:
        TrialError: the recipe of an installed task cannot be described.
    """
    with in_recipe(recipe_class):
        schema = recipe_class.model_json_schema()
        definitions = schema.get("$defs", {})
        return [
            {
                "name": name,
                "type": describe_type(field, definitions),
                "default": field.get("default"),
                "text": field.get("description", ""),
                "fields": describe_fields(inner) if (inner := recipe_inside(recipe_class.model_fields[name])) else [],
            }
            for name, field in schema.get("properties", {}).items()
        ]


def describe_type(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """A JSON Schema's type and range in words, such as `number above 0, at most 8`."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in schema:
        return " or ".join(describe_type(branch, definitions) for branch in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return f'"{schema["const"]}"'
    if schema.get("type") == "array":
        return f"list of {describe_type(schema.get('items', {}), definitions)}"
    if schema.get("type") == "object":
        return "table"
    bounds = [f"{words} {schema[bound]:,}" for bound, words in BOUNDS.items() if bound in schema]
    return " ".join([WORDS.get(schema.get("type", ""), "value"), ", ".join(bounds)]).strip()


def study_schema(recipe_class: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema of the study document, with the recipe's fields in `base`, in each scale and in each group."""
    schema = Study.model_json_schema()
    recipe = recipe_class.model_json_schema()
    schema.setdefault("$defs", {}).update(recipe.pop("$defs", {}))
    patch = {"type": "object", "properties": recipe["properties"], "additionalProperties": False}
    task = {"type": "string", "default": "classify", "description": "Task of every trial."}
    schema["properties"]["base"] = {**patch, "properties": {"task": task, **patch["properties"]}}
    scales = {"type": "object", "additionalProperties": patch}
    schema["properties"]["scales"] = scales
    schema["$defs"]["GroupSpec"]["properties"] |= {"set": patch, "scales": scales}
    return schema

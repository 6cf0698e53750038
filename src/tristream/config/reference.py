"""What the configuration may hold, written out: JSON schemas and ``docs/config.md``."""

import json
from typing import Any

from pydantic import BaseModel

from tristream.config.dataset import Dataset
from tristream.config.study import Study

ROOTS: dict[str, type[BaseModel]] = {"config": Study, "dataset": Dataset}


def schema(root: str) -> str:
    """JSON schema of ``config`` (a study) or ``dataset`` (a descriptor), as text."""
    return json.dumps(ROOTS[root].model_json_schema(), indent=1, sort_keys=True) + "\n"


def markdown() -> str:
    """Tables of every key, its type, default and meaning: the text of ``docs/config.md``."""
    parts = [
        "# Every key of the configuration",
        "",
        "Written by `tristream config reference`; do not edit. Unknown keys are errors.",
    ]
    for root, title in (("config", "config.yaml"), ("dataset", "workflow/datasets/ID.yaml")):
        tree = ROOTS[root].model_json_schema()
        parts += ["", f"# `{title}`", "", *_section(tree)]
        for name, section in tree.get("$defs", {}).items():
            if "properties" in section:
                parts += ["", f"## {name}", "", *_section(section)]
    return "\n".join(parts) + "\n"


def _section(section: dict[str, Any]) -> list[str]:
    return [_one_line(section.get("description", "")), "", *key_table(section)]


def key_table(section: dict[str, Any]) -> list[str]:
    """Lines of a Markdown table of the keys of one section's JSON schema."""
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    required = set(section.get("required", []))
    for key, field in section["properties"].items():
        default = "required" if key in required else f"`{json.dumps(field.get('default'))}`"
        meaning = _one_line(field.get("description", ""))
        lines.append(f"| `{key}` | {_type(field)} | {default} | {meaning} |")
    return lines


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return field["$ref"].rsplit("/", 1)[-1]
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    for key in ("anyOf", "oneOf", "allOf"):
        if key in field:
            return " or ".join(_type(option) for option in field[key])
    if "prefixItems" in field:
        return ", ".join(_type(item) for item in field["prefixItems"])
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    if field.get("type") == "object":
        inner = field.get("additionalProperties")
        return f"map to {_type(inner)}" if isinstance(inner, dict) else "map"
    return str(field.get("type", "any"))


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")

"""Draw the layers of the package from the contracts of the import linter.

``python docs/layers.py`` writes them into docs/architecture.md, between two marks; a test holds the
page against the contracts.
"""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/architecture.md"
BEGIN = "<!-- layers: written by docs/layers.py -->\n"
END = "<!-- end of layers -->\n"


def summary(module: str) -> str:
    """The first sentence of a module's or package's docstring."""
    path = ROOT.joinpath("src", *module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def markdown() -> str:
    """The contracts as tables and sentences."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    linter = settings["tool"]["importlinter"]
    lines = []
    for contract in linter["contracts"]:
        lines += [f"**{contract['name']}**", ""]
        if contract["type"] == "layers":
            lines += _layers(contract)
        else:
            sources, forbidden = (
                ", ".join(f"`{name.removeprefix('tristream.')}`" for name in contract.get(key, []))
                for key in ("source_modules", "forbidden_modules")
            )
            if contract["type"] == "independence":
                lines.append(f"None imports another: {_modules(contract)}.")
            else:
                lines.append(f"{sources}, with all that it imports, reaches none of {forbidden}.")
        lines.append("")
    return "\n".join(lines) + "\n"


def _modules(contract: dict[str, list[str]]) -> str:
    return ", ".join(f"`{name.removeprefix('tristream.')}`" for name in contract["modules"])


def _layers(contract: dict[str, list[str]]) -> list[str]:
    lines = ["| | imports from the rows below alone |", "|---|---|"]
    for layer in contract["layers"]:
        for container in contract["containers"]:
            names = [f"{container}.{name.strip()}" for name in layer.replace(":", "|").split("|")]
            words = [f"`{name.removeprefix('tristream.')}`" for name in names]
            texts = [summary(name) for name in names]
            lines.append(f"| {' · '.join(words)} | {' · '.join(texts)} |")
    return lines


def written(page: str) -> str:
    """The page with its generated part made anew."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}{markdown()}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

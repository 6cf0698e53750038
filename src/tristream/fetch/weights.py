"""Networks of the Hugging Face hub: pinned, safetensors only, brought once into the data folder.

Nothing of a network is unpickled or executed: of a model at a pinned commit only safetensors and
the JSON files that describe it are brought, and the network is built by ``transformers``' own code.
Jobs find it in the data folder and need no network.
"""

import json
import os
import shutil
from pathlib import Path

from tristream.config.sources import HubSource
from tristream.errors import UserError
from tristream.errors.json_text import parse
from tristream.fetch.file_lock import lock
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.hashing import hash_file

# What says how a network is built and how its input is prepared.
DESCRIPTIONS = (
    "config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
)
PATTERNS = (*DESCRIPTIONS, "*.safetensors", "*.safetensors.index.json")
MANIFEST = "fetched.json"
# Bytes of a model card that are read, characters of a licence's name, and the kind of its node.
CARD, LICENCE, TEXT = 1 << 16, 100, "tag:yaml.org,2002:str"


def hub_folder(source: HubSource, data: Path) -> Path:
    """Where a model of the hub lies: ``DATA/weights/OWNER--NAME/REVISION``."""
    return data / "weights" / source.model.replace("/", "--") / source.revision


def network_files(folder: Path) -> list[str]:
    """The files of a network's folder that are read, sorted.

    Raises
    ------
    UserError
        If the folder is missing, holds no ``config.json`` or no safetensors, or names weights
        outside.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give the folder of a network's config.json")
    if not (folder / "config.json").is_file():
        raise UserError(
            f"{folder}: holds no config.json; give a folder that save_pretrained of transformers "
            "wrote"
        )
    for index in sorted(folder.glob("*.safetensors.index.json")):
        _check_index(index)
    found = sorted({path.name for pattern in PATTERNS for path in folder.glob(pattern)})
    if not any(name.endswith(".safetensors") for name in found):
        pickled = [path.name for path in folder.iterdir() if path.suffix in (".bin", ".pt", ".pth")]
        which = f"only {pickled[0]}, which is not opened" if pickled else "no weights"
        raise UserError(
            f"{folder}: holds {which}; weights must be safetensors (convert them with "
            "save_pretrained of transformers)"
        )
    return found


def _check_index(index: Path) -> None:
    """Parts of the weights are files beside their index, and nothing else."""
    try:
        named = {str(name) for name in parse(index.read_bytes())["weight_map"].values()}
    except (ValueError, KeyError, AttributeError, TypeError):
        raise UserError(
            f"{index}: does not list files of weights; fetch the network again"
        ) from None
    for name in sorted(named):
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise UserError(
                f"{index}: names {name!r}, which is not a safetensors file beside it; it is not "
                "followed"
            )


def fetch_network(name: str, source: HubSource, data: Path, code: str = "") -> Receipt:
    """Bring a model of the hub at its pinned commit; what is there and unchanged stays.

    Parameters
    ----------
    name : str
        What the receipt calls it: the feature space.
    source : HubSource
        Model and commit.
    data : Path
        The study's data folder.
    code : str
        Fingerprint for the receipt.

    Raises
    ------
    UserError
        If the hub has no such model or commit or can't be reached, if the model has no safetensors,
        or if a file was changed after it was brought.
    """
    root = hub_folder(source, data)
    with lock(root.with_name(f"{root.name}.lock")):
        if not root.is_dir():
            _download(source, root)
        stored = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
        for file, digest in stored["files"].items():
            path = root / file
            if not path.is_file() or hash_file(path) != digest:
                raise UserError(f"{path}: is not what was fetched; delete {root} and fetch again")
    files = tuple(
        FetchedFile(file, (root / file).stat().st_size, f"sha256:{digest}")
        for file, digest in stored["files"].items()
    )
    how = (
        f"Weights of {name} were downloaded from the Hugging Face hub: {source.model} at commit "
        f"{source.revision[:12]}, safetensors alone."
    )
    return Receipt(
        dataset=name,
        subject=None,
        source=source.model_dump(mode="json"),
        commit=source.revision,
        root=root,
        name=f"{source.model} {source.revision[:12]}",
        licence=stored["licence"],
        files=files,
        simulated=False,
        code=code,
        methods=(how,),
    )


def _download(source: HubSource, root: Path) -> None:
    """All files into a temporary folder beside, which takes its name when it is whole."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ModuleNotFoundError:
        raise UserError(
            "networks of the hub need its client; run `pip install tristream[networks]`"
        ) from None
    temporary = root.with_name(f".{root.name}.{os.getpid()}.part")
    try:
        snapshot_download(
            source.model,
            revision=source.revision,
            local_dir=temporary,
            allow_patterns=[*PATTERNS, "README.md"],
        )
        shutil.rmtree(temporary / ".cache", ignore_errors=True)
        try:
            files = network_files(temporary)
        except UserError as error:
            reason = str(error).removeprefix(f"{temporary}: ")
            raise UserError(f"{source.model} {source.revision[:12]}: {reason}") from None
        manifest = {
            "model": source.model,
            "revision": source.revision,
            "licence": _licence(temporary),
            "files": {file: hash_file(temporary / file) for file in files},
        }
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, root)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"{source.model} {source.revision[:12]}: can't be fetched ({reason}); check model and "
            "revision, and run where there is a network"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _licence(folder: Path) -> str:
    """What the model card's header says."""
    import yaml

    card = folder / "README.md"
    if not card.is_file():
        return ""
    with card.open("rb") as file:
        text = file.read(CARD).decode("utf-8", errors="ignore")
    if not text.startswith("---"):
        return ""
    try:
        # The nodes alone: values that refer to each other can stand for any amount of text.
        header = yaml.compose(text.split("---")[1], yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        return ""
    pairs = header.value if isinstance(header, yaml.MappingNode) else []
    named = [value for key, value in pairs if key.value == "license" and value.tag == TEXT]
    return named[0].value if named and len(named[0].value) <= LICENCE else ""

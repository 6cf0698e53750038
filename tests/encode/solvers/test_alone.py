"""The solver library on a bare machine: numpy and torch, and nothing else of what is installed."""

import subprocess
import sys

CODE = """
import importlib.metadata as metadata, re, sys

def tree(name, found):
    # What a distribution needs at least.
    found.add(name.lower().replace("_", "-"))
    try:
        needed = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return found
    for line in needed:
        other = re.match(r"[A-Za-z0-9._-]+", line)[0]
        if "extra ==" not in line and other.lower().replace("_", "-") not in found:
            tree(other, found)
    return found

allowed = tree("torch", {"numpy"})
owners = metadata.packages_distributions()

class Bare:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        ours = ("tristream", "tristream.encode", "tristream.encode.solvers")
        if top == "tristream":
            if name not in ours and not name.startswith("tristream.encode.solvers."):
                raise ImportError(f"{name} is asked for")
            return None
        by = {o.lower().replace("_", "-") for o in owners.get(top, [])}
        if by and not by & allowed:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

sys.meta_path.insert(0, Bare())
try:
    import scipy
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("scipy is there")

import pkgutil
import numpy as np, torch
from tristream.encode import solvers
for module in pkgutil.iter_modules(solvers.__path__):
    __import__(f"tristream.encode.solvers.{module.name}")
from tristream.encode.solvers import banded_ridge, kernels, ridge

rng = np.random.default_rng(0)
runs = np.repeat(np.arange(3), 20)
x = [rng.standard_normal((60, p)) for p in (8, 5)]
y = torch.from_numpy(x[0] @ rng.standard_normal((8, 4)) + rng.standard_normal((60, 4)))
grams = torch.stack([kernels.linear_kernel(b, 60, kernels.Scaler.fit(b)) for b in x])
gammas = banded_ridge.dirichlet_candidates(5, 2)
dual = banded_ridge.fit(grams, y, runs, gammas, np.logspace(-1, 3, 5), solver="exact")
scaled = [torch.from_numpy((b - b.mean(0)) / b.std(0)) for b in x]
primal = ridge.fit(scaled, y, runs, gammas, np.logspace(-1, 3, 5))
assert torch.allclose(dual.choice.score, primal.score, atol=1e-8)
assert primal.score.min() > 0.3
print("fitted")
"""


def test_solvers_need_nothing_but_numpy_and_torch():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.stdout == "fitted\n", done.stderr

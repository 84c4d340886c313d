"""Finds imports that cannot work: names of modules that a sandbox does not have, read from the sources alone.

Called by `submissions.intake.bundle`. Only imports that run in any case are looked at: those at the top level of a file
that `complexity.py` imports, itself or through others, and not inside a `try`.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from submissions.intake.source import BundleError, parse
from submissions.storage.states import Reason

# What both backends have: torch, NumPy, SciPy, scikit-learn and what these bring along.
MODULES = frozenset(
    (
        *("torch", "numpy", "scipy", "sklearn", "safetensors", "gengap_measures", "model_zoo"),
        *("filelock", "fsspec", "functorch", "jinja2", "joblib", "markupsafe", "mpmath", "networkx", "sympy"),
        *("threadpoolctl", "torchgen", "typing_extensions", "setuptools", "pkg_resources", "pip"),
    )
)
INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "tensorflow": "the networks are torch modules: write it with torch",
        "keras": "the networks are torch modules: write it with torch",
        "jax": "write it with torch; torch.func has grad, vmap and jacrev",
        "cupy": "write it with NumPy or torch",
        "pandas": "NumPy arrays do for most tables",
        "tqdm": "nobody sees a progress bar here: remove it",
        "matplotlib": "nobody sees a picture here: remove it",
        "seaborn": "nobody sees a picture here: remove it",
        "torchvision": "torch.nn.functional has resizing, padding and flips; the networks need no torchvision class",
        "cv2": "torch.nn.functional has interpolate, pad and grid_sample",
        "PIL": "inputs are tensors; torch.nn.functional has interpolate and pad",
        "skimage": "scipy.ndimage has filters and transforms",
        "einops": "torch's own reshape, permute and einsum",
        "numba": "write it with NumPy or torch operations on whole arrays",
        "statsmodels": "scipy.stats has tests, and numpy.linalg.lstsq fits",
        "weightwatcher": "the baselines have its power laws: submissions/baselines/spectra",
        "pyhessian": "gengap_measures has Hessian products",
        "backpack": "torch.func gives gradients per example: vmap(grad(…))",
    }
)


def check_imports(entry: str, files: Mapping[str, bytes], extra: frozenset[str] = frozenset()) -> None:
    """Check that every module that is imported in any case exists.

    Parameters
    ----------
    entry : str
        The path of the file that is imported first.
    files : Mapping[str, bytes]
        The measure's Python files by relative path.
    extra : frozenset of str
        Modules that this server's sandbox has besides `MODULES`.

    Raises
    ------
    BundleError
        Naming the file, the line and the module, with what there is instead.
    """
    waiting, seen = [entry], {entry}
    while waiting:
        path = waiting.pop()
        for line, name in _imported(parse(path, files[path])):
            top = name.partition(".")[0]
            own = _own_files(name, files)
            if own:
                waiting += [file for file in own if file not in seen]
                seen.update(own)
            elif top not in MODULES | extra and top not in sys.stdlib_module_names and not _is_own(top, files):
                text = f"{path}, line {line}: {_refusal(top, extra)}"
                raise BundleError(text, Reason.IMPORT_ERROR, path=path, line=line)


def _refusal(module: str, extra: frozenset[str]) -> str:
    have = ", ".join(("torch", "NumPy", "SciPy", "scikit-learn", *sorted(extra)))
    instead = f" Instead: {INSTEAD[module]}." if module in INSTEAD else ""
    return (
        f"no module {module} here. A measure may import Python's standard library, {have}, gengap_measures and the "
        f"other files of its zip.{instead}"
    )


def _imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and name of each module that importing this one imports in any case; relative imports are left out."""
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            yield from ((statement.lineno, alias.name) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.level == 0 and statement.module:
            yield statement.lineno, statement.module
            yield from ((statement.lineno, f"{statement.module}.{alias.name}") for alias in statement.names)


def _own_files(name: str, files: Mapping[str, bytes]) -> list[str]:
    """Return the files of the upload that importing this module runs."""
    parts = name.split(".")
    paths = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return [file for path in paths for file in (f"{path}.py", f"{path}/__init__.py") if file in files]


def _is_own(top: str, files: Mapping[str, bytes]) -> bool:
    return any(path.startswith(f"{top}/") for path in files)

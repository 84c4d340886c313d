"""`make mutants`: how many small changes of the code the tests notice, measured by mutmut on a sample of mutants.

A group of modules with its tests is a table `[tool.gengap.mutants.NAME]` of pyproject.toml. docs/mutants.md explains
the score. Everything happens in a copy of the checkout, under test-artifacts/.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHILDREN = "2"
LOG = "mutmut.log"  # in the copy
KILLED, SURVIVED, UNTESTED, TIMED_OUT = "killed", "survived", "no test", "timed out"
# What mutmut's exit codes mean: pytest passed; a test failed or pytest broke; no test; a time limit was exceeded.
OUTCOMES = {0: SURVIVED, 1: KILLED, 3: KILLED, 5: UNTESTED, 33: UNTESTED}
OUTCOMES |= dict.fromkeys((24, 36, 152, 255, -24), TIMED_OUT)


def main() -> None:
    """Measure one group and print its score."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["gengap"]["mutants"]
    parser = argparse.ArgumentParser(description="Score the tests of a group of modules by mutation")
    parser.add_argument("group", nargs="?", default="scoring", choices=groups)
    parser.add_argument("--sample", type=int, default=200, help="how many mutants; 0 for all (default 200)")
    parser.add_argument("--minutes", type=int, default=60, help="stop after so long (default 60)")
    asked = parser.parse_args()
    group = groups[asked.group]
    folder = ROOT / "test-artifacts" / "mutants" / asked.group
    copy_checkout(folder, group)
    # This matches no mutant: mutmut makes them all, learns which test calls which function, and stops with an error.
    mutmut(folder, ["none"], asked.minutes)
    if not (folder / "mutants" / "mutmut-stats.json").exists():
        sys.exit(f"the tests do not pass on unchanged code; see {folder / LOG}")
    names = sampled(folder, asked.sample)
    mutmut(folder, names, asked.minutes)
    print_score(results(folder), names)


def copy_checkout(folder: Path, group: dict[str, list[str]]) -> None:
    """The files of the checkout, as they are now, with a configuration of mutmut for the group."""
    shutil.rmtree(folder, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    files = [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, folder / file)
    mutated = sorted({pattern.split("/")[0] for pattern in group["mutate"]})
    configuration = {
        "source_paths": mutated,
        "only_mutate": group["mutate"],
        "also_copy": sorted({file.parts[0] for file in files} - set(mutated)),
        "pytest_add_cli_args": ["-p", "no:cacheprovider", *group["arguments"]],
        "pytest_add_cli_args_test_selection": group["tests"],
    }
    with (folder / "pyproject.toml").open("a") as settings:
        settings.write("\n[tool.mutmut]\ntimeout_constant = 30.0\ntimeout_multiplier = 5.0\n")  # a busy machine is slow
        settings.write("use_git_change_detection = false\n")
        settings.writelines(f"{key} = {json.dumps(value)}\n" for key, value in configuration.items())


def mutmut(folder: Path, names: list[str], minutes: int) -> None:
    """Run mutmut on some mutants."""
    command = ["timeout", f"{minutes}m", sys.executable, "-m", "mutmut", "run", "--max-children", CHILDREN, *names]
    with (folder / LOG).open("a") as log:
        subprocess.run(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, check=False)


def sampled(folder: Path, size: int) -> list[str]:
    """The same mutants each time, whatever the order of files: those with the smallest hashes of their names."""
    names = sorted(results(folder), key=lambda name: hashlib.sha256(name.encode()).digest())
    return names[:size] if size else names


def results(folder: Path) -> dict[str, int | None]:
    """Mutant to mutmut's exit code; None where it has not been tried."""
    found: dict[str, int | None] = {}
    for meta in sorted((folder / "mutants").rglob("*.py.meta")):
        found |= json.loads(meta.read_text())["exit_code_by_key"]
    return found


def print_score(found: dict[str, int | None], names: list[str]) -> None:
    """The share of the sample's mutants that the tests notice, and every mutant that no test failed on."""
    tried = {name: code for name in names if (code := found[name]) is not None}
    outcomes = {name: OUTCOMES.get(code, f"exit code {code}") for name, code in tried.items()}
    counted = Counter(outcomes.values())
    for name, outcome in sorted(outcomes.items()):
        if outcome != KILLED:
            print(f"{outcome}: {name}")
    print(f"{len(found)} mutants, {len(names)} in the sample, {len(tried)} tried: {dict(counted)}")
    if len(tried) < len(names):
        print("The sample is incomplete, and mutmut tries fast mutants first: the score is not representative.")
    print(f"Score: {100 * (counted[KILLED] + counted[TIMED_OUT]) / max(1, len(tried)):.1f} %")


if __name__ == "__main__":
    main()

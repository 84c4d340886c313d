"""`make mutants`: how many small changes of the code the tests notice, measured by mutmut on a sample of mutants.

A group of modules with its tests is a table `[tool.gengap.mutants.NAME]` of pyproject.toml. docs/mutants.md explains
the score. Everything happens in a copy of the checkout, under test-artifacts/.

Each mutant's tests run in a process of their own, forked from one that has imported nothing of ours: what an earlier
run of the tests leaves in a process (cached paths of removed folders, threads) would fail them, whatever the mutant is.
Mutants that change nothing are tried too, with every test that is run for some mutant. They must survive, or there is
no score.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHILDREN = "2"
LOG = "mutmut.log"  # in the copy
KILLED, SURVIVED, UNTESTED, TIMED_OUT = "killed", "survived", "no test", "timed out"
# What mutmut's exit codes mean: pytest passed; there was no test; a test failed (1) or could not be imported or run,
# which is the mutant's doing where the unchanged code passes; a time limit was exceeded.
OUTCOMES = {0: SURVIVED, 5: UNTESTED, 33: UNTESTED} | dict.fromkeys((1, 2, 3, 255), KILLED)
OUTCOMES |= dict.fromkeys((24, 36, 152, -24), TIMED_OUT)
UNCHANGED = "__mutmut_0"  # mutmut counts from 1, and runs the original function for a number that it does not know
# Imported once for all mutants, because it takes seconds; of ours only what a group names under `imported`. A function
# that an import calls, such as a decorator, is changed only where the mutant's own process imports it.
IMPORTED = (
    "alembic", "argon2", "boto3", "celery", "flask", "flask_limiter", "flask_login", "flask_openapi3", "flask_wtf",
    "httpx", "hypothesis.strategies", "numpy", "psycopg", "pydantic_settings", "redis", "scipy.stats", "sqlalchemy.orm",
    "torch",
)  # fmt: skip
# Plugins of pytest that no group needs: importing them, and five collections of garbage, take longer than a fast test.
UNUSED = ("anyio", "cacheprovider", "schemathesis", "unraisableexception", "xdist", "xdist.looponfail")


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
    mutants = list(results(folder))
    names = sampled(mutants, asked.sample)
    unchanged = add_unchanged(folder, names)
    mutmut(folder, [*unchanged, *names], asked.minutes)
    found = results(folder)
    if fault := fault_of({name: found[name] for name in unchanged}):
        sys.exit(f"{fault}\nTry such a test alone in {folder / 'mutants'}; see also {folder / LOG}")
    print_score({name: found[name] for name in names}, len(mutants))


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
        "pytest_add_cli_args": [*(f"-pno:{name}" for name in UNUSED), "-ptests.fast_first", *group["arguments"]],
        "pytest_add_cli_args_test_selection": group["tests"],
        "process_isolation": "forkserver",
        "forkserver_warmup": "import",
        "preload_modules_file": "imported.txt",
    }
    (folder / "imported.txt").write_text("\n".join([*IMPORTED, *group.get("imported", [])]))
    with (folder / "pyproject.toml").open("a") as settings:
        settings.write("\n[tool.mutmut]\ntimeout_constant = 60.0\ntimeout_multiplier = 5.0\n")  # a busy machine is slow
        settings.write("use_git_change_detection = false\n")
        settings.writelines(f"{key} = {json.dumps(value)}\n" for key, value in configuration.items())


def mutmut(folder: Path, names: list[str], minutes: int) -> None:
    """Run mutmut on some mutants."""
    command = ["timeout", f"{minutes}m", sys.executable, "-m", "mutmut", "run", "--max-children", CHILDREN, *names]
    with (folder / LOG).open("a") as log:
        subprocess.run(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, check=False)


def sampled(mutants: Iterable[str], size: int) -> list[str]:
    """The same mutants each time, whatever the order of files: those with the smallest hashes of their names."""
    names = sorted(mutants, key=lambda name: hashlib.sha256(name.encode()).digest())
    return names[:size] if size else names


def add_unchanged(folder: Path, names: Iterable[str]) -> list[str]:
    """Give mutmut mutants that change nothing, in as many functions as it takes to run each of these mutants' tests."""
    tests_of = json.loads((folder / "mutants" / "mutmut-stats.json").read_text())["tests_by_mangled_function_name"]
    tests = {name: set(tests_of.get(name, ())) for name in {name.rpartition("__mutmut_")[0] for name in names}}
    chosen: list[str] = []
    for function in sorted(tests, key=lambda function: (-len(tests[function]), function)):
        if not any(tests[function] <= tests[other] for other in chosen):
            chosen.append(function)
    for path in sorted((folder / "mutants").rglob("*.py.meta")):
        meta = json.loads(path.read_text())
        codes = meta["exit_code_by_key"]
        own = [function for function in chosen if f"{function}__mutmut_1" in codes]
        meta["exit_code_by_key"] = {f"{function}{UNCHANGED}": None for function in own} | codes  # first to be tried
        path.write_text(json.dumps(meta))
    return [f"{function}{UNCHANGED}" for function in chosen]


def fault_of(unchanged: Mapping[str, int | None]) -> str | None:
    """Why no kill of this run counts; None if all is well. unchanged: the exit codes of mutants that change nothing."""
    outcomes = {name: outcome_of(code) for name, code in unchanged.items() if code is not None}
    failed = [f"{outcome}: {name}" for name, outcome in outcomes.items() if outcome not in (SURVIVED, UNTESTED)]
    if failed:
        return "\n".join(["These mutants change nothing, and should have survived, so that no kill counts:", *failed])
    return None if outcomes else "No mutant that changes nothing was tried, so that no kill counts."


def outcome_of(code: int) -> str:
    return OUTCOMES.get(code, f"exit code {code}")


def results(folder: Path) -> dict[str, int | None]:
    """Mutant to mutmut's exit code; None where it has not been tried."""
    found: dict[str, int | None] = {}
    for meta in sorted((folder / "mutants").rglob("*.py.meta")):
        found |= json.loads(meta.read_text())["exit_code_by_key"]
    return found


def print_score(found: Mapping[str, int | None], mutants: int) -> None:
    """The share of the sample's mutants that the tests notice, and every mutant that no test failed on."""
    tried = {name: code for name, code in found.items() if code is not None}
    outcomes = {name: outcome_of(code) for name, code in tried.items()}
    counted = Counter(outcomes.values())
    for name, outcome in sorted(outcomes.items()):
        if outcome != KILLED:
            print(f"{outcome}: {name}")
    print(f"{mutants} mutants, {len(found)} in the sample, {len(tried)} tried: {dict(counted)}")
    if len(tried) < len(found):
        print("The sample is incomplete, and mutmut tries fast mutants first: the score is not representative.")
    if counted[TIMED_OUT]:
        print("What timed out counts as surviving, because a busy machine may be to blame. Try it again.")
    print(f"Score: {100 * counted[KILLED] / max(1, len(tried)):.1f} %")


if __name__ == "__main__":
    main()

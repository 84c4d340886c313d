"""How many examples hypothesis tries. Deadlines are off: no test judges by the clock."""

import hypothesis


def register() -> None:
    """`quick` for `make test`, `thorough` for `make test-all`, `mutants` for `make mutants`: few and fixed."""
    hypothesis.settings.register_profile("quick", deadline=None, max_examples=20)
    hypothesis.settings.register_profile("thorough", deadline=None, max_examples=100)
    hypothesis.settings.register_profile("mutants", deadline=None, max_examples=10, derandomize=True, database=None)

"""A profile of hypothesis for mutation tests: few examples, and the same ones each time."""

import hypothesis

hypothesis.settings.register_profile("mutants", deadline=None, max_examples=10, derandomize=True, database=None)

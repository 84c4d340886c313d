"""Property tests of `scoring` have no deadline: no test judges by the clock."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

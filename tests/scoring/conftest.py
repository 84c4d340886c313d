"""For mutation tests, which load no other conftest.py: the examples that hypothesis tries."""

from tests import profiles

profiles.register()

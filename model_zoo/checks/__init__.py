"""Checks a zoo before it is opened to participants: a verdict per item, and the numbers behind the pictures.

`runner.check_zoo` runs all items; each other module has the items of one kind, functions from what they need to
`Item`s. `python -m model_zoo.checks FOLDER` runs the check with torch in a process of its own. Importing this package
or `checks.report` is cheap, since the web process shows reports.
"""

from model_zoo.checks.report import CheckReport, Item, Numbers, Verdict

__all__ = ["CheckReport", "Item", "Numbers", "Verdict"]

"""Checking a zoo before it is opened to participants: a verdict per item, and the numbers behind the pictures.

`checks.check.check_zoo` walks through the items; each module beside it owns those of one kind and is a function from
what is needed to items. `python -m model_zoo.checks FOLDER` runs it with torch in a process of its own;
`worker.zoo_intake.check_process` and `worker.zoo_intake.zoo_check` are who calls it. Importing this package or
`checks.report` costs next to nothing: the web process shows reports.
"""

from model_zoo.checks.report import CheckReport, Item, Numbers, Verdict

__all__ = ["CheckReport", "Item", "Numbers", "Verdict"]

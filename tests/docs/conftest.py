"""The measures' helper package on the import path, for what pages show of it."""

import sys

from submissions.baselines import FOLDER

sys.path.insert(0, str(FOLDER))

"""Gengap's door for notebooks: `evaluate(complexity, zoo)` gives the numbers that the server would give."""

from gengap.evaluation import Evaluation, evaluate
from gengap.function_source import FunctionSourceError

__all__ = ["Evaluation", "FunctionSourceError", "evaluate"]

"""The registry of metrics: every module of this folder declares one as `METRIC`.

To add a metric, add a module. `docs/metrics.md` says how; reports, boards, tables and the API derive the rest.
"""

import pkgutil
from collections.abc import Iterable, Mapping
from importlib import import_module
from types import MappingProxyType

from scoring.metric import Metric

__all__ = ["METRICS", "collect"]


def collect(path: Iterable[str], package: str) -> Mapping[str, Metric]:
    """The metrics that the modules of a package declare.

    Parameters
    ----------
    path : iterable of str
        The folders of the package, its ``__path__``.
    package : str
        The package's full name, for example ``"scoring.metrics"``.

    Returns
    -------
    Mapping of str to Metric
        Key to metric, read-only, sorted by `Metric.order` and then by key.

    Raises
    ------
    TypeError
        If a module declares no `Metric` as ``METRIC``, or one whose key is not the module's name.
    """
    found = [_metric_of(package, module.name) for module in pkgutil.iter_modules(path)]
    return MappingProxyType({metric.key: metric for metric in sorted(found, key=lambda one: (one.order, one.key))})


def _metric_of(package: str, name: str) -> Metric:
    metric = getattr(import_module(f"{package}.{name}"), "METRIC", None)
    if not isinstance(metric, Metric) or metric.key != name:
        raise TypeError(f"{package}.{name} must declare METRIC, a scoring.metric.Metric with the key {name!r}")
    return metric


METRICS: Mapping[str, Metric] = collect(__path__, __name__)

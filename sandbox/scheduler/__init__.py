"""The least scheduler: pods onto nodes by a few checks of its own, and by extenders, called as kube-scheduler does.

For laptops, tests and the demo. `Scheduler(api, configuration).run()` runs for ever; `configuration` is a
KubeSchedulerConfiguration, and docs/sandbox.md says what of it is heeded.
"""

from sandbox.scheduler.configuration import ConfigurationError
from sandbox.scheduler.scheduling import Scheduler

__all__ = ["ConfigurationError", "Scheduler"]

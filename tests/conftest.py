"""What every folder of tests may ask for: a kubectl, and a real control plane."""

import structlog

pytest_plugins = ["tests.controlplane.plugin"]

# Tracebacks with the values of all variables take seconds where a test makes things fail by the hundred.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

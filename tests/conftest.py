"""What every folder of tests may ask for: a kubectl, and a real control plane."""

pytest_plugins = ["tests.controlplane.plugin"]

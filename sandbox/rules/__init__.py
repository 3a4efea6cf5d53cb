"""What the API itself knows of each kind: defaults, who may write what, and what makes an object invalid.

The rules and their words are those of the real server (release 1.37) for the kinds that storage and scheduling touch;
other kinds are held to the rules of metadata alone.
"""

from sandbox.rules.defaults import set_defaults
from sandbox.rules.strategy import prepare_create, prepare_update
from sandbox.rules.validation import validate_create, validate_update
from sandbox.rules.warnings import warnings

__all__ = ["prepare_create", "prepare_update", "set_defaults", "validate_create", "validate_update", "warnings"]

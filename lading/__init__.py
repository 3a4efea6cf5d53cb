"""The command: settings, composition, run; imported by nobody."""

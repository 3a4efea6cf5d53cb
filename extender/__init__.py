"""The scheduler extender: filter, prioritize, bind over HTTP."""

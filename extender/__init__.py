"""The scheduler extender: filter, prioritize, preempt, bind and explain over HTTP."""

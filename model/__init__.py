"""Kubernetes objects as narrow, frozen, typed values; imports nothing of ours and decides nothing.

`objects` has the kinds, `resources` where the API serves them, `quantity` and `selectors` the two small languages
that objects are written in, `names` the annotations, labels and finalizers that components agree on.
"""

"""csi-capacity: publishes how much a driver has left, for each class and place, so that schedulers choose where it is.

`decide` says which objects there are to be, `owner` whom they go with.
"""

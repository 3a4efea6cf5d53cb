"""csi-provisioner: makes volumes of one driver for claims, and deletes those whose claims are gone.

`decide` says whose turn it is, `asking` what the driver is asked, `making` asks and writes the volume, `journal` keeps
what was asked until the volume is there, `sources` holds what volumes are filled from, `destroying` deletes.
"""

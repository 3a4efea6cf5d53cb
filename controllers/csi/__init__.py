"""Controllers that work for one CSI driver, beside it: what five sidecars do, in one process.

`names` has those that there are and what each reads, `table` makes them, `service` runs the selected ones. They speak
to the driver through `plugins.csi.driver`; nothing here knows gRPC.
"""

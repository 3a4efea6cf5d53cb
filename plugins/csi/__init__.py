"""CSI: drivers that are other processes, spoken to over gRPC on a socket of this machine.

`csi.proto` and `registration.proto` are the protocol; `python -m plugins.csi.generate` makes the modules of its
messages, which are kept here so that installing takes no compiler.
"""

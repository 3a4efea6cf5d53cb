"""Attaches volumes to nodes, and detaches them, as VolumeAttachments ask for it: csi-attacher."""

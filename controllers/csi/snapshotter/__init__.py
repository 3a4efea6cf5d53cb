"""Snapshots of volumes: `snapshots` ties VolumeSnapshots to their contents, `contents` has the driver make them.

The first is the snapshot-controller, which a cluster has once; the second the csi-snapshotter, once for each driver.
They speak through the API alone, by the marks and finalizers of the stock ones.
"""

"""What a driver is to do about VolumeSnapshotContents: csi-snapshotter."""

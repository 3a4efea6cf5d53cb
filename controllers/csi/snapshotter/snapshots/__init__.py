"""VolumeSnapshots and their contents: snapshot-controller."""

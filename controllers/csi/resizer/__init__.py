"""Grows the volumes of claims that ask for more than they have: csi-resizer."""

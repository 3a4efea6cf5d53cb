"""A CSI driver on the directories and loop devices of one machine: for demos, tests and single nodes.

It is a plugin's other side, and lives with the protocol that it shares with the clients.
"""

"""The command line: one file a command, which reads its options and leaves the work to the parts."""

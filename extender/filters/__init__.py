"""The volume filters: one file each; the ordered table is here."""

"""The scores: one file each; the table is here."""

"""The rules of admission: one file a resource; the table is here."""

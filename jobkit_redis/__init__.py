"""The Redis adapter will stand here."""

"""Versions of the schema, oldest first; a landed version is never edited, a new one is added."""

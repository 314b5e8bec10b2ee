"""Everything as real processes."""

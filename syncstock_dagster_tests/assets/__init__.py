"""Assets: one day, a range, any order, and what is red says why."""

"""Checks: each is red when it should be, in every form in which it can be run."""

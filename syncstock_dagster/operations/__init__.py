"""The record of what was done: operations and their undoing.

What belongs here: the operation log and rollback. What does not: what an operation does to stock (``stock``).
"""

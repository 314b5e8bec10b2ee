"""Assets: what Dagster materialises, in the order of the flow: intake, stock.

What belongs here: thin bodies that take the partition keys, call one capability and return metadata. What does not:
the capabilities.
"""

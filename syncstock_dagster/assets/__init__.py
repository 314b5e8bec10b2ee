"""Assets: what Dagster materialises, in the order of the flow: sources, intake, stock, publishing.

What belongs here: thin bodies that take the days of the run, call one capability and return metadata. What does not:
the capabilities.
"""

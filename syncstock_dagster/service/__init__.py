"""Running it all on one machine: Dagster's webserver and daemon beside the database.

What belongs here: the life of these processes, the home that Dagster keeps, and talking to the webserver. What does
not: what Dagster runs (``definitions``), and the database server's own life (``store.embedded``).
"""

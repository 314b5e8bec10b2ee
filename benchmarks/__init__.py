"""How fast it is, how much memory it takes, and how the naive ways do: ``python -m benchmarks``.

What belongs here: measurements against a fresh database of the embedded server (or of the server that
``SYNCSTOCK_DATABASE_URL`` names), each with its limit and its aim. What does not: whether results are right,
which is the tests' business, except where a naive way's wrong results are the measurement.

Machines differ and other programs run beside, so a limit is a ratio of two measurements of one run wherever
something comparable can be measured; the absolute figures stand beside it.
"""

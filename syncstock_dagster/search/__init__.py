"""Search: articles by what they are called, despite typing errors, with the stock of the moment.

What belongs here: the index of vectors, a cache that can be thrown away at any time, and asking it together with
PostgreSQL. What does not: numbers, which are always read from the tables. ChromaDB is the extra ``[search]``; without
it PostgreSQL answers alone.
"""

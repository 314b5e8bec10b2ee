"""PostgreSQL: the connection, COPY, locks, the embedded server, migrations and SQL files.

Put here whatever opens a connection or speaks SQL to the server; nothing else in the package does either. Keep
out what the data means: evidence, gates and decisions belong to the domain above (``stock``, ``catalog``,
``operations``...).
"""

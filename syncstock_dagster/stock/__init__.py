"""The stock engine: evidence in; ledger, stock, variances and snapshots out.

What belongs here: the records and tables evidence travels in, posting, gates, as-of reads, snapshots, the audit.
What does not: reading files (``sources``, ``workbooks``), the catalogue, connections (``store``), Dagster and the web.
"""

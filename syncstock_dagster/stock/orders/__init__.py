"""Orders: stock that is promised and sold, in real time, without ever selling a piece twice.

What belongs here: taking, reserving and cancelling orders, the quick answer to "is there enough?", and what the staff's
own sheets do not show yet. What does not: posting of any other evidence (``stock.posting``), and finding newer evidence
(``sources.newer``), which callers hand in.
"""

"""The catalogue: what evidence is about.

What belongs here: products and locations. What does not: stock, which only refers to them.
"""

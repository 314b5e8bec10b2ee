"""What goes wrong between us and a shop.

What belongs here: errors of the wire, in words. What does not: what a person can mend in the configuration
(``BadInput``).
"""

from __future__ import annotations


class ShopifyError(Exception):
    """A call to the shop came to nothing. The message is in plain words and names no secret."""


class UnreachableError(ShopifyError):
    """No answer after all retries. Whether the call was carried out, nobody knows."""


class RefusedError(ShopifyError):
    """The shop understood and will not do it."""


class TooExpensiveError(ShopifyError):
    """The query costs more than any may; a smaller page is needed."""

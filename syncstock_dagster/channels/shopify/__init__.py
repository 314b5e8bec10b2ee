"""Shopify: levels that follow the truth, planned before they are sent, by compare-and-set, undone where they can be.

From the bottom up: ``documents`` and ``schema`` are the wire, ``budget`` and ``client`` carry it, ``shop`` says it in
our words; ``truth`` and ``deciding`` know what should be there; ``record`` keeps the plan and every answer;
``applying``, ``deleting`` and ``undoing`` act; ``ending`` puts on record what went out; ``sync`` is what faces call,
and ``fields`` is the same for names and prices.
"""

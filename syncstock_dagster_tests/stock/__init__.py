"""Proof of the stock engine: a plain model of the laws, and the engine held against it."""

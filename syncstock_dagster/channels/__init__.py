"""Channels: what is sent to the places that sell.

What belongs here: one package a channel. What does not: taking evidence in (``sources``), and stock itself.
"""

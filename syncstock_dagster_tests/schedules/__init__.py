"""Schedules: which days, and when the clocks change."""

"""Sensors: one test a transition, on a real instance of Dagster."""

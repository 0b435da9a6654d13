"""Recipes of the servers that the tests run for real, and what builds them: ``make servers``."""

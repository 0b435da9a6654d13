"""Tests of the demo: the booking system, and the program around it."""

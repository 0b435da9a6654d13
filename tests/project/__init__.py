"""Tests of what is around the code: packaging, documents, import direction."""

"""What is proven with the real servers of ``make servers``: run by ``make test-servers``."""

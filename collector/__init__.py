"""What stands behind the application: a collector's configurations, and the real servers that prove them."""

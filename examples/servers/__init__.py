"""The restaurant, with real servers behind it: its rows are made at the far end of Collector and Kafka."""

"""The reading half: figures computed from the rows of the events table, whoever wrote them."""

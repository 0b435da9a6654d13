"""A report or a comparison as one HTML file: charts without a script, a table under each, nothing from the network."""

"""Branch and bound in this process: linear programs with cuts from the data, and bounds that need no solver's word."""

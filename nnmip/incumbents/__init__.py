"""Networks to start from: those that users have, and those that are found before a solver starts."""

"""How fast the pages are: a farm with a month of history, its jobs running, and a reader who asks 20 times a second."""

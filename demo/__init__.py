"""`make demo`: a simulated plant and farm on loopback, and PowerHive balancing them."""

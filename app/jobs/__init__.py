"""The hands: jobs read a snapshot, ask core, act through clients, write through store."""

"""The memory: the only place with queries. One module per word of the farm; functions in the farm's words."""

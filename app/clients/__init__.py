"""The edge: one module per counterpart. Raw JSON in, core types out, our own errors, always a time limit.

`http` is the only door to the network for HTTP; `plant` reads the plant; `vnish` knows the miners' endpoints, `answers`
what their fields mean, `miner` what can be done with a miner; `scan` finds open addresses.
"""

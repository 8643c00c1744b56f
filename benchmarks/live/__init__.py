"""The whole program against a simulated plant and farm over HTTP, scored by what the miners really drew and hashed."""

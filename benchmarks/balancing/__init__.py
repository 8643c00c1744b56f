"""A fast model farm for balancing policies: no HTTP, no database, the real `plan`."""

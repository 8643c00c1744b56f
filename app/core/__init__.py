"""The rules. Standard library only: no Flask, no SQL, no requests, no clock."""

"""The fleet's tasks: thin wrappers that open what a library call needs, and make it."""

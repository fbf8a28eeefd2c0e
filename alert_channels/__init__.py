"""Where notifications go: one file a channel."""

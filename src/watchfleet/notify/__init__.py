"""Notifications: the transactional outbox and the Channel protocol."""

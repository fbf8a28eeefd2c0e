"""Carries the correlation id into and out of what an application uses; see `watchfleet.correlation`."""

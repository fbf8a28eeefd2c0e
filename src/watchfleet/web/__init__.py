"""The Flask application: health, metrics."""

"""Scraping: the metrics that targets expose, read as Prometheus reads them."""

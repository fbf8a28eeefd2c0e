"""The time-series store: samples in, exact rollups out."""

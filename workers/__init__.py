"""Composition roots: what each process of the fleet is made of."""

"""PostgreSQL and the shared cache: engine, tables, locks."""

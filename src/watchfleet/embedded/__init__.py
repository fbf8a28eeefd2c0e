"""PostgreSQL and Valkey out of wheels, and the supervisor that runs the fleet on one machine."""

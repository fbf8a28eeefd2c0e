INSERT INTO event_seen (id, seen_at) VALUES (gen_random_uuid(), '2026-01-01 12:00:00+00');

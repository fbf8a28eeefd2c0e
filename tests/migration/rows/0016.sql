INSERT INTO probe_location (target, location, status, reason, detail, duration, checked_at, answer) VALUES
  ('shop', 'ap', 'down', 'unexpected_status', 'answered 503', 0.2, '2026-03-10 12:00:02+00', 'out of memory');

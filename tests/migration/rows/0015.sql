INSERT INTO probe_location (target, location, status, reason, detail, duration, checked_at) VALUES
  ('shop', 'eu', 'up', '', '', 0.12, '2026-03-10 12:00+00'),
  ('shop', 'us', 'down', 'timeout', 'no answer in time', 5, '2026-03-10 12:00:01+00');

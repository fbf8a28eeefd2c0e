UPDATE probe_target SET depends_on = '{shop}', excused = 1, failing_since = '2026-03-10 11:59+00' WHERE name <> 'shop';
INSERT INTO probe_status (target, status, started_at, ended_at, reason, detail, answer) VALUES
  ('shop', 'up', '2026-03-09 00:00+00', '2026-03-10 11:00+00', '', '', ''),
  ('shop', 'down', '2026-03-10 11:00+00', '2026-03-10 11:30+00', 'unexpected_status', 'status 503, expected 200', 'out of memory');

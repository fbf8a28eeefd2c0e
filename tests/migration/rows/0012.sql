INSERT INTO heartbeat (target, started_at, ended_at, succeeded_at, failed, exit_code, said, run_seconds) VALUES
  ('backup', '2026-03-10 02:30+00', '2026-03-10 02:41+00', '2026-03-10 02:41+00', false, 0, '', 660),
  ('report', '2026-03-09 06:00+00', '2026-03-09 06:01+00', NULL, true, 3, 'disk full', 60),
  ('import', '2026-03-10 11:59+00', NULL, NULL, false, NULL, '', NULL);

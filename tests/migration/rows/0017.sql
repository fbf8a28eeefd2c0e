INSERT INTO memory_snapshot (id, process, asked_at, until, taken_at, result) VALUES
  ('a1', 'shop@web1/0', '2026-03-10 12:00+00', '2026-03-10 12:10+00', '2026-03-10 12:02+00', '{"tasks": 200}'),
  ('a2', 'shop@web1/1', '2026-03-10 13:00+00', '2026-03-10 13:10+00', NULL, '{}');

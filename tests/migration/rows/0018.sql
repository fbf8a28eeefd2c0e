INSERT INTO query_plan (fingerprint, target, shape, plan, found_at) VALUES
  ('50fde20626009aba', 'orders', 'a1b2c3d4e5f60718', '{"Seq Scan on orders (cost 5, rows 1)"}', '2026-03-10 12:00+00');

INSERT INTO rollup_shard (shard, ticked_at) VALUES (3, '2026-11-23 12:00+00');

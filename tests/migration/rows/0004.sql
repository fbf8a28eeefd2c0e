UPDATE account SET followers = 10, followers_at = '2026-01-01 12:00:00+00';
CREATE TABLE daily_stats_p20260101 PARTITION OF daily_stats FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
INSERT INTO daily_stats (day, platform, account, account_group, succeeded, failed, timed, duration_seconds, content)
VALUES ('2026-01-01', 'example', 'anna', '', 5, 1, 5, 12.5, 3);
INSERT INTO platform_stats (platform, at, figures) VALUES ('example', '2026-01-01 12:00:00+00', '{"ok": 1}');

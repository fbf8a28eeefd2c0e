CREATE TABLE activity_p20260101 PARTITION OF activity FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
INSERT INTO activity (ts, correlation_id, kind, name, service, duration, fields)
VALUES ('2026-01-01 12:00:00+00', 'a', 'task', 'shop.pay', 'shop', 0.5, '{"state": "SUCCESS"}');
INSERT INTO raised_alert (id, labels, annotations, raised_at, until)
VALUES ('00000000-0000-0000-0000-000000000001', '{"alertname": "LoginWall"}', '{"correlation_id": "a"}',
        '2026-01-01 12:00:00+00', '2026-01-01 13:00:00+00');

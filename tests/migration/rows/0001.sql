-- Rows as the release of this revision writes them: one or more for every table that it creates.
INSERT INTO metric (name, kind, series) VALUES ('probe_success', 'gauge', 1), ('scrapes_total', 'counter', 1);
INSERT INTO series (fingerprint, name, labels, kind)
VALUES ('00000000-0000-0000-0000-000000000001', 'probe_success', '{"target": "shop", "kind": "http"}', 'gauge'),
       ('00000000-0000-0000-0000-000000000002', 'scrapes_total', '{"platform": "example"}', 'counter');

CREATE TABLE samples_p20260101 PARTITION OF samples FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
INSERT INTO samples (series_id, ts, value)
SELECT id, '2026-01-01 12:00:00+00'::timestamptz + make_interval(secs => n), n
FROM series, generate_series(0, 9) AS n;

INSERT INTO ingest_batch (id, accepted, rejected, received_at)
VALUES ('a batch', 20, 1, '2026-01-01 12:00:10+00');
INSERT INTO ingest_rejects (batch_id, reason, sample)
VALUES ('a batch', 'too_old', '{"name": "probe_success"}');
INSERT INTO dirty_slice (shard, tier, slice, marked_at)
VALUES (0, 0, '2026-01-01 12:00:00+00', '2026-01-01 12:00:10+00'),
       (0, 0, '2026-01-01 12:00:00+00', '2026-01-01 12:00:10+00');

DO $$
DECLARE
    tier text;
BEGIN
    FOREACH tier IN ARRAY ARRAY['rollup_5m', 'rollup_15m', 'rollup_1h', 'rollup_24h'] LOOP
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (''2026-01-01'') TO (''2026-02-01'')',
            tier || '_p202601', tier
        );
        EXECUTE format(
            'INSERT INTO %I (series_id, bucket, n, sum, m2, min, max, first_ts, first_value, last_ts, last_value,
                             p50, p90, p95, p99, histogram)
             SELECT id, ''2026-01-01'', 10, 45, 82.5, 0, 9, ''2026-01-01 12:00:00+00'', 0,
                    ''2026-01-01 12:00:09+00'', 9, 4, 8, 9, 9, ''\x01''
             FROM series',
            tier
        );
    END LOOP;
END
$$;

INSERT INTO counter (name, labels, value) VALUES ('ingest_samples', '{}', 20);
INSERT INTO counter_delta (name, labels, value) VALUES ('ingest_samples', '{}', 5), ('ingest_samples', '{}', 5);

INSERT INTO account (platform, account, succeeded, failed, last_success_at)
VALUES ('example', 'anna', 5, 1, '2026-01-01 12:00:00+00');
CREATE TABLE account_event_p20260101 PARTITION OF account_event FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
INSERT INTO account_event (ts, signal, platform, account, fields)
VALUES ('2026-01-01 12:00:00+00', 'account_scraped', 'example', 'anna', '{"items": 3}');

INSERT INTO scrape_target (key, job, url, labels, interval_seconds, timeout_seconds, due_at)
VALUES ('a key', 'node', 'http://127.0.0.1:9100/metrics', '{"job": "node"}', 15, 10, '2026-01-01 12:00:00+00');
INSERT INTO probe_target (name, kind, interval_seconds, due_at, status, status_since, failures)
VALUES ('shop', 'http', 15, '2026-01-01 12:00:00+00', 'down', '2026-01-01 11:00:00+00', 3);

INSERT INTO alert (rule, fingerprint, severity, labels, annotations, state, active_at, fired_at, evaluated_at)
VALUES ('DependencyDown', 'f00d', 'critical', '{"target": "shop"}', '{"summary": "shop is down"}', 'firing',
        '2026-01-01 12:00:00+00', '2026-01-01 12:00:30+00', '2026-01-01 12:00:30+00');
INSERT INTO alert_event (alert_id, at, from_state, to_state, reason)
SELECT id, '2026-01-01 12:00:30+00', 'pending', 'firing', 'held_long_enough' FROM alert;
INSERT INTO outbox (delivery_id, event_id, channel, order_key, message, state, due_at)
SELECT 'f00d:1:' || channel, alert_event.id, channel, 'f00d:' || channel, '{"alert": "DependencyDown"}', state,
       '2026-01-01 12:00:30+00'
FROM alert_event, (VALUES ('log', 'sent'), ('email', 'pending')) AS delivery (channel, state);

INSERT INTO beat_leader (id, epoch, holder, ticked_at) VALUES (1, 7, 'beat@host', '2026-01-01 12:00:00+00');
INSERT INTO beat_entry (name, slot, runs) VALUES ('watchfleet.probes.dispatch', '2026-01-01 12:00:00+00', 42);

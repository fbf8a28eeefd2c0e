-- Rows as the release of this revision writes them: one or more for every table that it creates.
INSERT INTO notify_alert (fingerprint, labels, annotations, starts_at, updated_at, expires, generator_url, changes)
VALUES ('f00d', '{"alertname": "DependencyDown", "target": "shop"}', '{"summary": "shop is down"}',
        '2026-01-01 12:00:30+00', '2026-01-01 12:00:30+00', false, '', '{2026-01-01 12:00:30+00}');
INSERT INTO notify_group (route, labels, group_key, digest, due_at, flushed_at, updated_at)
VALUES ('{}', '{"target": "shop"}', '{}:{target="shop"}', '00000000-0000-0000-0000-000000000001',
        '2026-01-01 12:05:30+00', '2026-01-01 12:00:30+00', '2026-01-01 12:00:30+00');
INSERT INTO notify_member (group_id, fingerprint, told_at)
SELECT id, 'f00d', '2026-01-01 12:00:30+00' FROM notify_group;
INSERT INTO notify_log (group_id, step, channel, receiver, position, part, firing, resolved, told, fired, sent_at)
SELECT id, 0, 'log', 'default', 0, '', '{f00d}', '{}', '{f00d}', '{"f00d": "2026-01-01T12:00:30+00:00"}',
       '2026-01-01 12:00:30+00'
FROM notify_group;
INSERT INTO silence (id, matchers, starts_at, ends_at, updated_at, created_by, comment)
VALUES ('00000000-0000-0000-0000-000000000002', '[{"name": "target", "op": "=", "value": "shop"}]',
        '2026-01-01 12:00:00+00', '2026-01-01 14:00:00+00', '2026-01-01 12:00:00+00', 'anna', 'works');
INSERT INTO acknowledgement (fingerprint, created_at, created_by, comment)
VALUES ('f00d', '2026-01-01 12:01:00+00', 'anna', 'on it');

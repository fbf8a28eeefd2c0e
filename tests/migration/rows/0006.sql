INSERT INTO notify_gate (channel, receiver, position, tokens, refilled_at, failures)
VALUES ('slack', 'default', 0, 4, '2026-01-01 12:00:00+00', 0);

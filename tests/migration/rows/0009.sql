INSERT INTO rule_group (key, interval_seconds, evaluated_at, seconds, rules)
VALUES ('fleet.yml;fleet', 15, '2026-01-01 12:00:00+00', 0.01, '{}');
INSERT INTO rule_output (rule, series) VALUES ('fleet.yml;fleet;job:up:sum', '\x01000000');
INSERT INTO rule_override (rule, enabled, settings) VALUES ('DependencyDown', false, '{"checks": "3"}');
INSERT INTO rule_audit (at, who, rule, before, after)
VALUES ('2026-01-01 12:00:00+00', 'ops', 'DependencyDown', '{}', '{"enabled": false}');

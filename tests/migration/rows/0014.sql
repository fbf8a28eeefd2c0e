INSERT INTO statement (fingerprint, text, seen_at)
VALUES ('50fde20626009aba', 'SELECT $1', '2026-03-10 12:00+00');

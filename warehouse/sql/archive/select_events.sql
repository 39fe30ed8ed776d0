-- grain: one archived event of the publications
-- params: $ids (list of publication ids)
SELECT workspace_id, publication_id, seq, attempt, event, "at", payload_hash, owner, detail, prev_hash, hash
FROM raw.publication_events
WHERE publication_id IN (SELECT unnest($ids))
ORDER BY publication_id, seq

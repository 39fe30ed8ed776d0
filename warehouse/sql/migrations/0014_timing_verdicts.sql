-- What the advice says about an account as a whole, and which posts it leaves out.
ALTER TABLE dims.publications ADD COLUMN paid BOOLEAN;
COMMENT ON COLUMN dims.publications.paid IS 'Whether it was promoted for money. The timing model leaves such posts out. NULL = not known.';
CREATE TABLE marts.timing_accounts (
  workspace_id VARCHAR NOT NULL,
  account_id VARCHAR NOT NULL,
  platform VARCHAR NOT NULL,
  p_chance DOUBLE,
  moved_at TIMESTAMPTZ,
  suspicious_hours INTEGER[],
  shared_luck DOUBLE,
  computed_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE marts.timing_accounts IS 'Grain: one account with computed times (account_id): what holds for its whole week.';
COMMENT ON COLUMN marts.timing_accounts.workspace_id IS 'Tenant.';
COMMENT ON COLUMN marts.timing_accounts.account_id IS 'Key into dims.accounts.';
COMMENT ON COLUMN marts.timing_accounts.platform IS 'The account''s platform.';
COMMENT ON COLUMN marts.timing_accounts.p_chance IS 'Probability that the account''s posts vary this much over the week if timing does nothing. Above 0.09, no slot is called better. NULL = no measured posts.';
COMMENT ON COLUMN marts.timing_accounts.moved_at IS 'Since when the account''s good hours seem to be others (UTC); older posts then count less. NULL = no such change.';
COMMENT ON COLUMN marts.timing_accounts.suspicious_hours IS 'Local hours whose posts earned far more than those around, as paid promotion does; empty = none.';
COMMENT ON COLUMN marts.timing_accounts.shared_luck IS 'Standard deviation, in log units, of the luck that posts of a day share. 0 = not noticeable.';
COMMENT ON COLUMN marts.timing_accounts.computed_at IS 'When it was computed (UTC).';

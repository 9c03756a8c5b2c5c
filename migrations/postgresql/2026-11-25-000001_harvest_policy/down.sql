DROP TABLE dataset_key;
DROP TABLE harvest_overlay;
DROP TABLE harvest_decision;
ALTER TABLE harvest_outcome DROP COLUMN raw;
DROP INDEX harvest_record_run;
DROP INDEX harvest_record_fingerprint;
ALTER TABLE harvest_record DROP COLUMN fingerprint;
ALTER TABLE harvest_record DROP COLUMN draft;
ALTER TABLE job DROP COLUMN cancel_requested;

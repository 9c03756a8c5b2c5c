-- What harvesting has to remember beyond one run: wishes to stop, what a source last said, decisions of staff, corrections made here, and
-- what makes two datasets the same.

ALTER TABLE job ADD COLUMN cancel_requested BOOLEAN NOT NULL DEFAULT FALSE;

-- draft: the record as converted, before corrections. fingerprint: equal for a record that only changed its id.
ALTER TABLE harvest_record ADD COLUMN draft TEXT;
ALTER TABLE harvest_record ADD COLUMN fingerprint TEXT;
CREATE INDEX harvest_record_fingerprint ON harvest_record (source_id, fingerprint);
CREATE INDEX harvest_record_alternate ON harvest_record (source_id, alternate_id);
CREATE INDEX harvest_record_run ON harvest_record (source_id, last_run_id);

-- The record as it came, where it could not be taken over.
ALTER TABLE harvest_outcome ADD COLUMN raw TEXT;

-- What waits for staff, or was decided by them. subject is what it is about, unique for each kind. Two datasets that are the same, or may
-- be, are dataset_id and other_id.
CREATE TABLE harvest_decision (
    id TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    source_id TEXT NOT NULL REFERENCES harvest_source (id),
    subject TEXT NOT NULL,
    dataset_id TEXT REFERENCES dataset (id),
    other_id TEXT REFERENCES dataset (id),
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    created TIMESTAMP NOT NULL,
    decided TIMESTAMP,
    decided_by TEXT,
    UNIQUE (kind, subject)
);
CREATE INDEX harvest_decision_source ON harvest_decision (source_id, state, created);
CREATE INDEX harvest_decision_dataset ON harvest_decision (dataset_id);
CREATE INDEX harvest_decision_other ON harvest_decision (other_id);

-- Fields corrected here; path is a JSON pointer into the draft, value and base are JSON.
CREATE TABLE harvest_overlay (
    dataset_id TEXT NOT NULL REFERENCES dataset (id),
    path TEXT NOT NULL,
    value TEXT NOT NULL,
    base TEXT NOT NULL,
    actor TEXT NOT NULL,
    at TIMESTAMP NOT NULL,
    PRIMARY KEY (dataset_id, path)
);

-- What a dataset has in common with its copies in other sources.
CREATE TABLE dataset_key (
    dataset_id TEXT NOT NULL REFERENCES dataset (id),
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (dataset_id, kind, value)
);
CREATE INDEX dataset_key_value ON dataset_key (kind, value);

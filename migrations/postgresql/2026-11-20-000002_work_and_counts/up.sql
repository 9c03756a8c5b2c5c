-- Work that outlives a request, what harvesting knows of each record, and counted downloads.

CREATE TABLE job (
    id TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    lease_owner TEXT,
    lease_until TIMESTAMP,
    progress TEXT NOT NULL,
    error TEXT,
    created TIMESTAMP NOT NULL,
    started TIMESTAMP,
    finished TIMESTAMP
);
CREATE INDEX job_state ON job (state, created);
CREATE INDEX job_subject ON job (kind, subject_id, created);

-- Identity of a harvested record is (source_id, remote_id).
CREATE TABLE harvest_record (
    source_id TEXT NOT NULL REFERENCES harvest_source (id),
    remote_id TEXT NOT NULL,
    alternate_id TEXT,
    dataset_id TEXT REFERENCES dataset (id),
    content_hash TEXT NOT NULL,
    raw TEXT NOT NULL,
    last_run_id TEXT NOT NULL,
    missing_runs BIGINT NOT NULL,
    missing_since TIMESTAMP,
    archived BOOLEAN NOT NULL,
    updated TIMESTAMP NOT NULL,
    PRIMARY KEY (source_id, remote_id)
);
CREATE INDEX harvest_record_dataset_id ON harvest_record (dataset_id);

-- What became of each record in a run; position orders them as they came.
CREATE TABLE harvest_outcome (
    run_id TEXT NOT NULL REFERENCES job (id),
    remote_id TEXT NOT NULL,
    outcome TEXT NOT NULL,
    cause TEXT,
    dataset_id TEXT,
    PRIMARY KEY (run_id, remote_id)
);

-- One row for each counted download, kept until the day is settled; day is the day in Japan.
CREATE TABLE download (
    id TEXT PRIMARY KEY NOT NULL,
    at TIMESTAMP NOT NULL,
    day TEXT NOT NULL,
    distribution_id TEXT NOT NULL,
    dataset_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    class TEXT NOT NULL,
    channel TEXT NOT NULL,
    visitor TEXT NOT NULL,
    click TEXT NOT NULL,
    method_version BIGINT NOT NULL
);
CREATE INDEX download_click ON download (click, distribution_id, at);
CREATE INDEX download_at ON download (at);

CREATE TABLE download_day (
    day TEXT NOT NULL,
    distribution_id TEXT NOT NULL,
    dataset_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    class TEXT NOT NULL,
    channel TEXT NOT NULL,
    total BIGINT NOT NULL,
    PRIMARY KEY (day, distribution_id, organization_id, class, channel)
);
CREATE INDEX download_day_dataset ON download_day (dataset_id, day);
CREATE INDEX download_day_organization ON download_day (organization_id, day);

-- Downloads that other sites report, by month (`2026-11`).
CREATE TABLE download_reported (
    month TEXT NOT NULL,
    source TEXT NOT NULL,
    total BIGINT NOT NULL,
    actor TEXT NOT NULL,
    at TIMESTAMP NOT NULL,
    PRIMARY KEY (month, source)
);

CREATE TABLE indicator_target (
    indicator TEXT NOT NULL,
    fiscal_year BIGINT NOT NULL,
    baseline BIGINT,
    target BIGINT NOT NULL,
    PRIMARY KEY (indicator, fiscal_year)
);

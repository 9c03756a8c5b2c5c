-- The nouns of the catalog, each with its current state; revision, change and audit_event keep what happened.

CREATE TABLE organization (
    id TEXT PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created TIMESTAMP NOT NULL,
    updated TIMESTAMP NOT NULL
);

CREATE TABLE theme (
    id TEXT PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created TIMESTAMP NOT NULL,
    updated TIMESTAMP NOT NULL
);

CREATE TABLE licence (
    id TEXT PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created TIMESTAMP NOT NULL,
    updated TIMESTAMP NOT NULL
);

CREATE TABLE keyword (
    id TEXT PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created TIMESTAMP NOT NULL,
    updated TIMESTAMP NOT NULL
);

-- `user` is a reserved word in PostgreSQL.
CREATE TABLE user_account (
    id TEXT PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created TIMESTAMP NOT NULL,
    updated TIMESTAMP NOT NULL
);

CREATE TABLE harvest_source (
    id TEXT PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created TIMESTAMP NOT NULL,
    updated TIMESTAMP NOT NULL
);

-- key = organization id and user id: one membership for each pair.
CREATE TABLE membership (
    id TEXT PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created TIMESTAMP NOT NULL,
    updated TIMESTAMP NOT NULL
);

-- key = SHA-256 of the secret; label = user id.
CREATE TABLE api_token (
    id TEXT PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created TIMESTAMP NOT NULL,
    updated TIMESTAMP NOT NULL
);
CREATE INDEX api_token_label ON api_token (label);

CREATE TABLE dataset (
    id TEXT PRIMARY KEY NOT NULL,
    slug TEXT NOT NULL UNIQUE,
    organization_id TEXT NOT NULL REFERENCES organization (id),
    identifier TEXT,
    state TEXT NOT NULL,
    visibility TEXT NOT NULL,
    title TEXT NOT NULL,
    standard_dataset TEXT,
    body TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created TIMESTAMP NOT NULL,
    updated TIMESTAMP NOT NULL,
    UNIQUE (organization_id, identifier)
);
CREATE INDEX dataset_updated ON dataset (updated, id);
CREATE INDEX dataset_standard_dataset ON dataset (standard_dataset, updated);
CREATE INDEX dataset_organization_id ON dataset (organization_id, updated);

-- Names a dataset had before; they go on leading to it.
CREATE TABLE dataset_alias (
    alias TEXT PRIMARY KEY NOT NULL,
    dataset_id TEXT NOT NULL REFERENCES dataset (id)
);

CREATE TABLE dataset_keyword (
    dataset_id TEXT NOT NULL REFERENCES dataset (id),
    keyword TEXT NOT NULL,
    PRIMARY KEY (dataset_id, keyword)
);
CREATE INDEX dataset_keyword_keyword ON dataset_keyword (keyword);

CREATE TABLE dataset_theme (
    dataset_id TEXT NOT NULL REFERENCES dataset (id),
    theme TEXT NOT NULL,
    PRIMARY KEY (dataset_id, theme)
);
CREATE INDEX dataset_theme_theme ON dataset_theme (theme);

-- Stays when a distribution leaves its dataset, so that its counts and address go on.
CREATE TABLE distribution (
    id TEXT PRIMARY KEY NOT NULL,
    dataset_id TEXT NOT NULL REFERENCES dataset (id),
    active BOOLEAN NOT NULL
);
CREATE INDEX distribution_dataset_id ON distribution (dataset_id);

CREATE TABLE file_version (
    distribution_id TEXT NOT NULL REFERENCES distribution (id),
    version BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    byte_size BIGINT NOT NULL,
    file_name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    created TIMESTAMP NOT NULL,
    PRIMARY KEY (distribution_id, version)
);
CREATE INDEX file_version_sha256 ON file_version (sha256);

CREATE TABLE revision (
    noun TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    action TEXT NOT NULL,
    actor TEXT NOT NULL,
    at TIMESTAMP NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (noun, subject_id, number)
);

CREATE TABLE change (
    seq INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    noun TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    action TEXT NOT NULL,
    revision BIGINT NOT NULL,
    at TIMESTAMP NOT NULL
);

CREATE TABLE audit_event (
    id TEXT PRIMARY KEY NOT NULL,
    at TIMESTAMP NOT NULL,
    actor TEXT NOT NULL,
    noun TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    action TEXT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX audit_event_subject ON audit_event (noun, subject_id);

CREATE TABLE setting (
    key TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
);

-- Answers given to requests with an Idempotency-Key, to be given again.
CREATE TABLE idempotency (
    actor TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    status BIGINT NOT NULL,
    headers TEXT NOT NULL,
    body TEXT NOT NULL,
    created TIMESTAMP NOT NULL,
    PRIMARY KEY (actor, key)
);

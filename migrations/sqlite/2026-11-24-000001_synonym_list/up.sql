-- Synonyms kept by staff in place of the list that comes with the catalog; key = id.

CREATE TABLE synonym_list (
    id TEXT PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created TIMESTAMP NOT NULL,
    updated TIMESTAMP NOT NULL
);

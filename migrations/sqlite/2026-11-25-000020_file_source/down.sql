ALTER TABLE file_version DROP COLUMN source_url;

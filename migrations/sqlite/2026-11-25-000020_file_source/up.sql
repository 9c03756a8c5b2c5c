-- Copies of files that their publishers keep elsewhere: the address each was taken from. Null for files that were uploaded here.
ALTER TABLE file_version ADD COLUMN source_url TEXT;

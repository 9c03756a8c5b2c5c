#![doc = include_str!("../README.md")]

mod archive;
mod blob;
mod error;
mod media_type;
mod name;

pub use archive::{Archive, ArchiveEntry, EntryContent, distinct_names};
pub use blob::{Blob, BlobStore, HEAD_BYTES, StoredBlob, Upload};
pub use error::Error;
pub use media_type::{Detected, Evidence, detect_media_type};
pub use name::{FILE_NAME_LENGTH_MAX, content_disposition, sanitize_file_name};

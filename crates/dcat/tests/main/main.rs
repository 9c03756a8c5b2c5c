//! Documents in, drafts out, and back.

mod read;
mod write;

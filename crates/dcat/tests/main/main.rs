//! Documents in, drafts out, and back.

#![allow(clippy::unwrap_used)]

mod read;
mod write;

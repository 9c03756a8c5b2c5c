#![doc = include_str!("../README.md")]

mod convert;
mod delimited;
mod encoding;
mod error;
mod json;
mod preview;
mod rows;
mod table;
mod workbook;

pub use convert::{ConversionLimits, TargetFormat, convert};
pub use encoding::{Decoded, Encoding, decode};
pub use error::Error;
pub use preview::{Limits, Preview, TableFormat, preview};
pub use rows::{NumberedRow, read_rows};

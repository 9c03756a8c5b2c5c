//! Normalizer and tokenizers, on any text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use minato_search::fuzzing::{normalize, pairs, words};

fuzz_target!(|text: &str| {
    let normalized = normalize(text);
    assert_eq!(normalize(&normalized), normalized, "normalizing twice changes nothing");
    for (token, range) in words(&normalized).into_iter().chain(pairs(&normalized)) {
        assert!(!token.is_empty(), "empty token at {range:?}");
        assert!(range.start < range.end, "empty range of {token:?}");
        assert!(normalized.get(range.clone()).is_some(), "{token:?} at {range:?} is cut inside of a character");
    }
});

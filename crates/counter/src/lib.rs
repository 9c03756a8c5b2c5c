#![doc = include_str!("../README.md")]

mod agent;
mod method;
mod referrer;
mod rule;
mod settle;
mod visitor;

pub use agent::{class_of_rule, classify_agent};
pub use method::{METHOD_VERSION, METHODS, Method, PRINCIPLES, Principle};
pub use referrer::referrer_domain;
pub use rule::{Decision, RULES, Reason, Request, Rule, decide, is_wanted};
pub use settle::{cell, double_click_window, settle, sums};
pub use visitor::{DOUBLE_CLICK_SECONDS, Visitor, is_double_click, visitor};

/// A value that changes with the rules and the table of agents: who changes them raises [`METHOD_VERSION`] and describes the new version.
pub fn fingerprint() -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for line in agent::lines() {
        hash.update(line.as_bytes());
    }
    for rule in RULES {
        hash.update(rule.reason.as_str().as_bytes());
        hash.update(rule.clause.as_bytes());
    }
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_the_rules_is_a_new_version() {
        let last = METHODS.last().unwrap();
        assert_eq!(last.version, METHOD_VERSION);
        assert_eq!(
            (METHOD_VERSION, fingerprint().as_str()),
            (2, "c05f9fab3437a5d5"),
            "raise METHOD_VERSION and describe the new version in METHODS"
        );
    }
}

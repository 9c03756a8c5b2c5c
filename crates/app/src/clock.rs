//! What time it is: the system's time, or in tests what they say.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};

/// Tells the time. No setting of the configuration reaches it.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>>);

impl Clock {
    /// A clock that tests set.
    pub fn of(time: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Clock {
        Clock(Some(Arc::new(time)))
    }

    /// The current moment at the precision the database keeps.
    pub fn now(&self) -> DateTime<Utc> {
        let now = self.0.as_ref().map_or_else(Utc::now, |time| time());
        now.trunc_subsecs(6)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Clock(set)" } else { "Clock(system)" })
    }
}

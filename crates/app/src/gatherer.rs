//! Counting beside requests: what is counted gathers in memory, and one thread writes it every few seconds.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Where counts of one kind gather, and the thread that writes them. Who adds to it wakes nobody and waits for nobody; a process that is
/// killed loses what has gathered.
pub(crate) struct Gatherer<T> {
    name: &'static str,
    is_full: fn(&T) -> bool,
    shared: Arc<Shared<T>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Default)]
struct State<T> {
    gathered: T,
    /// Number of times that somebody waits for what has gathered to be written, and of those that were served.
    asked: u64,
    served: u64,
    stopped: bool,
    /// The thread is gone.
    ended: bool,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Default + Send + 'static> Gatherer<T> {
    /// Begins with nothing. `write` gets what has gathered after each `every`, before that when it `is_full`, and when the gatherer ends.
    pub(crate) fn start(
        name: &'static str,
        every: Duration,
        is_full: fn(&T) -> bool,
        write: impl FnMut(T) + Send + 'static,
    ) -> Gatherer<T> {
        let shared = Arc::new(Shared { state: Mutex::new(State::default()), changed: Condvar::new() });
        let theirs = Ending(shared.clone());
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || write_batches(&theirs, every, is_full, write));
        if let Err(error) = &spawned {
            tracing::error!(%error, name, "a thread was not started; what it should write will not be counted");
            shared.lock().ended = true;
        }
        Gatherer { name, is_full, shared, thread: Mutex::new(spawned.ok()) }
    }

    /// Adds to what has gathered.
    pub(crate) fn add(&self, f: impl FnOnce(&mut T)) {
        let mut state = self.shared.lock();
        if state.stopped || state.ended {
            return;
        }
        let was_full = (self.is_full)(&state.gathered);
        f(&mut state.gathered);
        if !was_full && (self.is_full)(&state.gathered) {
            self.shared.changed.notify_all();
        }
    }

    /// Waits until all that was added so far is written; for tools and tests.
    pub(crate) fn flush(&self) {
        let mut state = self.shared.lock();
        state.asked += 1;
        let ticket = state.asked;
        self.shared.changed.notify_all();
        let served = self.shared.changed.wait_while(state, |state| state.served < ticket && !state.ended);
        drop(served.unwrap_or_else(PoisonError::into_inner));
    }
}

impl<T> Gatherer<T> {
    /// Ends the thread after it has written what has gathered.
    pub(crate) fn stop(&self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(name = self.name, "a thread panicked; what gathered last is not counted");
        }
    }
}

impl<T> Drop for Gatherer<T> {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Says that the thread is gone, however it ended, so that nobody waits for it.
struct Ending<T>(Arc<Shared<T>>);

impl<T> Drop for Ending<T> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

/// The thread: ends when it is told to.
fn write_batches<T: Default>(shared: &Ending<T>, every: Duration, is_full: fn(&T) -> bool, mut write: impl FnMut(T)) {
    let shared = &shared.0;
    loop {
        let idle = |state: &mut State<T>| !state.stopped && state.asked == state.served && !is_full(&state.gathered);
        let waiting = shared.changed.wait_timeout_while(shared.lock(), every, idle);
        let mut state = waiting.unwrap_or_else(PoisonError::into_inner).0;
        let (gathered, asked, stopped) = (std::mem::take(&mut state.gathered), state.asked, state.stopped);
        drop(state);
        write(gathered);
        shared.lock().served = asked;
        shared.changed.notify_all();
        if stopped {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const NEVER: Duration = Duration::from_secs(3600);

    fn start(every: Duration) -> (Gatherer<Vec<i32>>, mpsc::Receiver<Vec<i32>>) {
        let (sender, receiver) = mpsc::channel();
        let gatherer = Gatherer::start(
            "test",
            every,
            |numbers: &Vec<i32>| numbers.len() >= 3,
            move |numbers| {
                assert!(!numbers.contains(&-1));
                // Nobody listens any more once the test has seen enough.
                let _ = sender.send(numbers);
            },
        );
        (gatherer, receiver)
    }

    #[test]
    fn what_is_asked_for_full_or_left_at_the_end_is_written() {
        let (gatherer, written) = start(NEVER);
        gatherer.add(|numbers| numbers.push(1));
        gatherer.flush();
        assert_eq!(written.try_recv(), Ok(vec![1]));
        gatherer.add(|numbers| numbers.extend([2, 3, 4]));
        assert_eq!(written.recv_timeout(Duration::from_secs(20)), Ok(vec![2, 3, 4]));
        gatherer.add(|numbers| numbers.push(5));
        gatherer.stop();
        assert_eq!(written.try_iter().collect::<Vec<_>>().concat(), [5]);
        gatherer.add(|numbers| numbers.push(6));
        gatherer.flush();
        assert_eq!(written.try_recv().ok(), None, "it has ended");
    }

    #[test]
    fn what_has_gathered_is_written_after_some_time() {
        let (gatherer, written) = start(Duration::from_millis(5));
        gatherer.add(|numbers| numbers.push(1));
        let deadline = Duration::from_secs(20);
        assert!(std::iter::from_fn(|| written.recv_timeout(deadline).ok()).any(|numbers| numbers == [1]));
    }

    #[test]
    fn nobody_waits_for_a_thread_that_panicked() {
        let (gatherer, _written) = start(NEVER);
        gatherer.add(|numbers| numbers.push(-1));
        gatherer.flush();
        gatherer.flush();
    }
}

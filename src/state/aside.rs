//! Work that is in no hurry, on a thread of its own that makes way for those that serve.
//!
//! A reload reads and builds for milliseconds on end. On a thread of the pool it has as good a claim to a core as one that
//! serves, and where there are as many cores as threads that want one, a call waits for the rest of the kernel's slice. So
//! does one behind a thread that is only nicer; one of the idle policy is put off as soon as a thread that serves wakes up.
//! Of a busy core it still gets a small share: a reload is late, but it comes. What it was, it cannot be again without
//! privileges, so the thread is not the pool's, and ends with its work.

use std::io;
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Runs `work` on such a thread and returns what it comes to. Whoever stops waiting does not stop it.
///
/// # Errors
///
/// There is no thread for it, or it panicked: that ends the thread and nothing else.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    let runtime = Handle::current();
    thread::Builder::new()
        .name("aside".to_owned())
        .spawn(move || {
            step_back();
            // What it builds may begin tasks.
            let _entered = runtime.enter();
            let _gone = done.send(work());
        })?;
    result
        .await
        .map_err(|_| io::Error::other("its thread panicked"))
}

/// Lowers the priority of this thread, where the system has one for each.
fn step_back() {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::{
            NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
            set_thread_priority_and_policy, thread_native_id,
        };
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        let set = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
        if let Err(error) = set {
            tracing::debug!(?error, "the priority of a thread stays as it is");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_has_the_runtime_and_its_result_comes_back() {
        let begun = aside(|| tokio::task::spawn_blocking(|| 7)).await.unwrap();
        assert_eq!(begun.await.unwrap(), 7);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn thread_that_works_steps_back_and_the_one_that_waits_does_not() {
        use thread_priority::{NormalThreadSchedulePolicy, ThreadSchedulePolicy};
        let policy = || thread_priority::thread_schedule_policy().unwrap();
        let here = policy();
        let there = aside(policy).await.unwrap();
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        assert_eq!((there, policy()), (idle, here));
    }

    #[tokio::test]
    async fn panic_is_an_error() {
        let error = aside(|| panic!("of a test")).await.unwrap_err();
        assert_eq!(error.to_string(), "its thread panicked");
    }
}

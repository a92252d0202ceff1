//! A runtime of one's own, that leaves nothing behind.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Runs to the end on a runtime of its own, so that nothing of one run is left in the next.
///
/// Whoever has kept one of the wakers that were given out keeps nothing of the runtime alive by it. The SDK's workflow contexts do: one that
/// is dropped while an operation is under way is never freed (temporalio-workflow 1.1.1: the operation stays registered with the workflow's
/// cancellation token, and the token is the context's), its wakers neither, and each would hold the runtime's two open files.
///
/// # Errors
/// Those of the operating system, when there can't be a runtime.
pub(crate) fn alone<T>(run: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let given = runtime.block_on(async {
        let mut run = pin!(run);
        std::future::poll_fn(|context| {
            bell.runtime.register(context.waker());
            run.as_mut().poll(&mut Context::from_waker(&waker))
        })
        .await
    });
    drop(bell.runtime.take());
    runtime.shutdown_background();
    Ok(given)
}

/// Wakes the runtime as long as it is there.
#[derive(Debug, Default)]
struct Bell {
    runtime: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.runtime.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn a_waker_wakes_as_long_as_somebody_runs() {
        let kept = Mutex::new(None);
        let answered = alone(async {
            let (answer, answered) = tokio::sync::oneshot::channel();
            let mut answered = pin!(answered);
            let mut answer = Some(answer);
            std::future::poll_fn(|context| {
                *kept.lock().unwrap() = Some(context.waker().clone());
                if let Some(answer) = answer.take() {
                    drop(tokio::task::spawn_blocking(|| answer.send("yes")));
                }
                answered.as_mut().poll(context)
            })
            .await
        });
        assert_eq!(answered.unwrap(), Ok("yes"));
        // Nobody is there any more.
        kept.into_inner().unwrap().unwrap().wake();
    }
}

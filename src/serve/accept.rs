//! What the ports' servers share: tasks for connections, and what to do when no connection can be taken.

use std::time::Duration;

/// How long to wait when no connection can be taken: mostly, too many files are open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

#[expect(
    clippy::disallowed_methods,
    reason = "a server on a socket: its clients are others' processes"
)]
pub(super) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

#[expect(clippy::disallowed_methods, reason = "no event says when a file can be opened again")]
pub(super) async fn pause() {
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

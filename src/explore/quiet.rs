//! Panics that are a result: while plans are tried, nobody wants to read each.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

use futures_util::FutureExt as _;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Whether this thread tries plans: its panics are results.
pub(crate) fn is_quiet() -> bool {
    QUIET.get()
}

/// Runs to the end, or to a panic: gives what the panic said, and where.
pub(crate) async fn catch<T>(future: AssertUnwindSafe<impl Future<Output = T>>) -> Result<T, String> {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| match QUIET.get() {
            true => SAID.set(Some(words(info))),
            false => before(info),
        }));
    });
    QUIET.set(true);
    let ended = future.catch_unwind().await;
    QUIET.set(false);
    ended.map_err(|_| SAID.take().unwrap_or_else(|| "a panic without words".to_owned()))
}

fn words(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("a panic without words");
    match info.location() {
        Some(location) => format!("{text}\nat {}:{}", location.file(), location.line()),
        None => text.to_owned(),
    }
}
